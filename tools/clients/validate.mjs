// Khronos glTF validator: node validate.mjs FILE... prints one JSON list of {file, errors, warnings, messages}.
import fs from 'node:fs'
import validator from 'gltf-validator'

const reports = []
for (const file of process.argv.slice(2)) {
  const { issues } = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)))
  const messages = issues.messages.filter((m) => m.severity < 2).map((m) => `${m.code} ${m.pointer}: ${m.message}`)
  reports.push({ file, errors: issues.numErrors, warnings: issues.numWarnings, messages })
}
console.log(JSON.stringify(reports))
