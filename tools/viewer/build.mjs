// Bundles each page's script with what it needs into ../../digitalme/studio/static, from where Python serves or inlines it.
import { build } from 'esbuild'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const out = process.argv[2] ?? path.join(here, '..', '..', 'digitalme', 'studio', 'static')
fs.rmSync(out, { recursive: true, force: true })
fs.mkdirSync(out, { recursive: true })
const { metafile } = await build({
  metafile: true,
  absWorkingDir: here,
  entryPoints: ['report', 'live', 'studio', 'microphone'].map((name) => `src/${name}.ts`),
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'ascii', // the report holds it inline
  legalComments: 'eof', // the licences of three.js and three-vrm travel with their code
})
for (const name of ['live.html', 'studio.html', 'style.css', 'viewer.css', 'studio.css']) fs.copyFileSync(path.join(here, 'src', name), path.join(out, name))
fs.cpSync(path.join(here, 'src', 'looks'), out, { recursive: true })
// what is in the bundles, for `digitalme licenses`
const packages = new Map()
for (const file of Object.keys(metafile.inputs)) {
  const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]
  if (!folder || packages.has(folder)) continue
  const { name, version, license } = JSON.parse(fs.readFileSync(path.join(here, folder, 'package.json'), 'utf8'))
  packages.set(folder, { name, version, licence: license ?? '' })
}
const bundled = [...packages.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
fs.writeFileSync(path.join(out, 'bundled.json'), `${JSON.stringify(bundled, null, 1)}\n`)
for (const name of fs.readdirSync(out)) console.log(name, fs.statSync(path.join(out, name)).size)
