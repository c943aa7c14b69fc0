// What all pages have: a language and a theme that are kept.
import { keep, recall, say, spoken } from './words'

export function dress(): void {
  const root = document.documentElement
  const dark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark'
  const kept = recall('theme')
  if (kept) root.dataset.theme = kept
  document.getElementById('theme')?.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark'
    keep('theme', root.dataset.theme)
  })
  document.getElementById('language')?.addEventListener('click', () => say(spoken() === 'en' ? 'zh' : 'en'))
  say(spoken())
}
