// The controls beside a viewer: expressions, motion, light, and a slider for every morph.
import { LIGHTS, type Light, type Viewer, type Weights } from './viewer'
import { nameOf, onLanguage, told, word, type Word } from './words'

const GROUPS: [Word, RegExp][] = [
  ['Visemes', /^viseme_/],
  ['Eyes', /^eye/],
  ['Brows', /^brow/],
  ['Jaw', /^(jaw|tongue)/],
  ['Cheeks', /^(cheek|nose)/],
  ['Mouth', /^mouth/],
  ['More', /./],
]
const ORDER: Word[] = ['Mouth', 'Eyes', 'Brows', 'Jaw', 'Cheeks', 'Visemes', 'More']
const ALIASES = ['mouthOpen', 'mouthSmile', 'eyesClosed', 'eyesLookUp', 'eyesLookDown']

export class Panel {
  private sliders = new Map<string, HTMLInputElement>()
  private mirror = document.createElement('input')

  constructor(
    private readonly viewer: Viewer,
    private readonly host: HTMLElement,
    private readonly expressions: Record<string, Weights>,
  ) {
    host.classList.add('panel')
    this.build()
    onLanguage(() => this.rename())
  }

  /** Build again, for the avatar that the viewer shows now. */
  build(): void {
    this.sliders.clear()
    for (const name in this.viewer.set) delete this.viewer.set[name]
    this.host.replaceChildren(this.top(), this.moods(), this.table())
  }

  private top(): HTMLElement {
    const bar = element('div', 'bar')
    const clips = element('select')
    const still = told('option', 'still')
    still.value = ''
    clips.append(still)
    for (const clip of this.viewer.clips) clips.append(new Option(clip, clip))
    clips.addEventListener('change', () => this.viewer.play(clips.value || null))
    clips.dataset.control = 'clips'
    clips.disabled = !this.viewer.clips.length
    const lights = element('select')
    for (const kind of LIGHTS) {
      const option = told('option', kind)
      option.value = kind
      lights.append(option)
    }
    lights.addEventListener('change', () => this.viewer.light(lights.value as Light))
    const follow = element('input')
    follow.type = 'checkbox'
    follow.addEventListener('change', () => (this.viewer.followPointer = follow.checked))
    const views = element('span', 'views')
    views.append(
      button('head', () => this.viewer.aim()),
      button('figure', () => this.viewer.aim(true)),
      button('picture', () => this.picture()),
    )
    bar.append(labelled('clips', clips), labelled('light', lights), views, labelled('follow', follow, true))
    return bar
  }

  private moods(): HTMLElement {
    const set = element('fieldset', 'moods')
    set.append(told('legend', 'expressions'))
    for (const [name, weights] of Object.entries(this.expressions)) {
      const each = element('button')
      each.type = 'button'
      each.dataset.word = name
      each.textContent = nameOf(name)
      each.addEventListener('click', () => this.show(weights))
      set.append(each)
    }
    const reset = button('reset', () => this.show({}))
    reset.dataset.control = 'reset'
    set.append(reset)
    return set
  }

  private table(): HTMLElement {
    const box = element('div', 'sliders')
    const filter = told('input', 'filter', 'placeholder')
    filter.type = 'search'
    filter.setAttribute('aria-label', word('filter'))
    filter.addEventListener('input', () => {
      const wanted = filter.value.toLowerCase()
      for (const [name, slider] of this.sliders) slider.closest('label')!.hidden = !name.toLowerCase().includes(wanted)
      for (const group of box.querySelectorAll('details')) {
        if (wanted) group.open = true
        group.hidden = !group.querySelector('label:not([hidden])')
      }
    })
    this.mirror.type = 'checkbox'
    this.mirror.checked = true
    const head = element('div', 'bar')
    head.append(filter, labelled('mirror', this.mirror, true))
    box.append(head)
    const members = new Map<Word, string[]>(ORDER.map((group) => [group, []]))
    for (const name of this.viewer.morphs) {
      const group = ALIASES.includes(name) ? 'More' : GROUPS.find(([, pattern]) => pattern.test(name))![0]
      members.get(group)!.push(name)
    }
    for (const [group, names] of members) {
      if (!names.length) continue
      const details = element('details')
      details.open = group === 'Mouth'
      details.append(told('summary', group), ...names.sort().map((name) => this.slider(name)))
      box.append(details)
    }
    return box
  }

  private slider(name: string): HTMLElement {
    const slider = element('input')
    slider.type = 'range'
    slider.min = '0'
    slider.max = '1'
    slider.step = '0.01'
    slider.value = '0'
    slider.dataset.morph = name
    slider.addEventListener('input', () => {
      this.put(name, slider.valueAsNumber)
      const other = twin(name)
      if (this.mirror.checked && other && this.sliders.has(other)) this.put(other, slider.valueAsNumber)
    })
    this.sliders.set(name, slider)
    const label = element('label', 'slider')
    const text = element('span')
    text.textContent = name.replace(/^viseme_/, '')
    label.append(text, slider)
    return label
  }

  private put(name: string, value: number): void {
    this.sliders.get(name)!.valueAsNumber = value
    if (value) this.viewer.set[name] = value
    else delete this.viewer.set[name]
  }

  /** Set all sliders: those that are not named go to 0. */
  show(weights: Weights): void {
    for (const name of this.sliders.keys()) this.put(name, weights[name] ?? 0)
  }

  private picture(): void {
    this.viewer.afterFrame = () => {
      this.viewer.afterFrame = () => {}
      const link = document.createElement('a')
      link.download = 'avatar.png'
      link.href = this.viewer.canvas.toDataURL('image/png')
      link.click()
    }
  }

  private rename(): void {
    for (const each of this.host.querySelectorAll<HTMLElement>('.moods button')) {
      each.textContent = nameOf(each.dataset.word ?? '')
    }
  }
}

function twin(name: string): string | null {
  if (/^(eyeLook(In|Out)|mouth(Left|Right)$|jaw(Left|Right)$)/.test(name)) return null
  if (name.endsWith('Left')) return name.replace(/Left$/, 'Right')
  return name.endsWith('Right') ? name.replace(/Right$/, 'Left') : null
}

export function element<K extends keyof HTMLElementTagNameMap>(tag: K, className = ''): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  if (className) made.className = className
  return made
}

export function button(key: Word, action: () => void): HTMLButtonElement {
  const made = told('button', key)
  made.type = 'button'
  made.addEventListener('click', action)
  return made
}

export function labelled(key: Word, control: HTMLElement, behind = false): HTMLLabelElement {
  const label = element('label', behind ? 'check' : 'field')
  label.append(...(behind ? [control, told('span', key)] : [told('span', key), control]))
  return label
}
