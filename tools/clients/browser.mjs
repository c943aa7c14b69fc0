// Run a page of this folder in headless Chromium: node browser.mjs PAGE.html REQUEST.json
// The page defines `window.run(request)`; what it returns is printed as JSON. In a request, {"file": "/path"} values
// of "files" are served as /file/NAME. Pictures that the page returns under "pictures" are written beside the request.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import puppeteer from 'puppeteer-core'

const here = path.dirname(fileURLToPath(import.meta.url))
const [page, requestFile] = process.argv.slice(2)
const request = JSON.parse(fs.readFileSync(requestFile, 'utf8'))
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json' }
const server = http.createServer((query, answer) => {
  const name = decodeURIComponent(new URL(query.url, 'http://x').pathname)
  if (name === '/favicon.ico') return answer.writeHead(204).end()
  const file = name.startsWith('/file/') ? request.files[name.slice(6)] : path.join(here, path.normalize(name))
  if (!file || !fs.existsSync(file)) return answer.writeHead(404).end()
  answer.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' })
  fs.createReadStream(file).pipe(answer)
})
await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist',
         '--autoplay-policy=no-user-gesture-required'],
})
let failed = false
try {
  const tab = await browser.newPage()
  const complaints = []
  tab.on('console', (message) => ['error', 'warn', 'warning'].includes(message.type()) && complaints.push(message.text()))
  tab.on('pageerror', (error) => complaints.push(String(error)))
  await tab.goto(`http://127.0.0.1:${server.address().port}/${page}`)
  await tab.waitForFunction('window.run', { timeout: 30000 })
  const result = await tab.evaluate((r) => window.run(r), request)
  for (const [name, url] of Object.entries(result.pictures ?? {})) {
    fs.writeFileSync(path.join(path.dirname(requestFile), name), Buffer.from(url.split(',')[1], 'base64'))
  }
  delete result.pictures
  console.log(JSON.stringify({ ...result, complaints }))
} catch (error) {
  failed = true
  console.error(String(error.stack ?? error))
} finally {
  await browser.close()
  server.close()
}
process.exit(failed ? 1 : 0)
