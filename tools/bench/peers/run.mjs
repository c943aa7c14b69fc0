// Other programs' mouths for the clips of a folder: node run.mjs FOLDER, from a folder with their packages.
// FOLDER/clips.json: [{name, text, words: [[word, start, end], ...]}]; beside it NAME.16.raw (16 kHz, int16) and
// NAME.44.raw (44.1 kHz, float32). Writes FOLDER/peers.json: {program: {seconds, clips: [[[start, end, class], ...]]}}.
// Classes are Oculus visemes, or Rhubarb's letters. Browser parts that the live ones need are stood in for here.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const packageFolder = (name) => join(process.cwd(), "node_modules", name);
const load = (name, file) => import(pathToFileURL(join(packageFolder(name), file)));
const folder = process.argv[2];
const clips = JSON.parse(readFileSync(join(folder, "clips.json"), "utf8"));
const shorts = (clip) => readFileSync(join(folder, `${clip.name}.16.raw`));
const floats = (clip) => {
  const bytes = readFileSync(join(folder, `${clip.name}.44.raw`));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};
const RATE = 44100;

// ---- Rhubarb, offline, with the text and without ----

async function rhubarb(useText) {
  const { Rhubarb } = await load("rhubarb-lip-sync-wasm", "dist/index.js");
  return async (clip) => {
    const { mouthCues } = await Rhubarb.getLipSync(shorts(clip), useText ? { dialogText: clip.text } : {});
    return mouthCues.map((cue) => [cue.start, cue.end, cue.value]);
  };
}

// ---- TalkingHead's English rules: visemes of each word, spread over the time in which it is said ----

async function talkingHead() {
  const { LipsyncEn } = await load("@met4citizen/talkinghead", "modules/lipsync-en.mjs");
  const rules = new LipsyncEn();
  return async (clip) => {
    const cues = [];
    for (const [word, start, end] of clip.words) {
      const said = rules.wordsToVisemes(rules.preProcessText(word));
      const total = said.times.length ? said.times.at(-1) + said.durations.at(-1) : 1;
      said.visemes.forEach((viseme, i) => {
        const at = start + ((end - start) * said.times[i]) / total;
        cues.push([at, at + ((end - start) * said.durations[i]) / total, viseme]);
      });
    }
    return cues;
  };
}

// ---- headaudio, live: its worklet fed in blocks of 128; the raw classes, before its easing ----

async function headAudio() {
  globalThis.sampleRate = RATE;
  globalThis.AudioWorkletProcessor = class {
    constructor() {
      this.port = { onmessage: null, postMessage: (data) => this.heard?.(data) };
    }
  };
  let Worklet;
  globalThis.registerProcessor = (name, made) => (Worklet = made);
  await load("@met4citizen/headaudio", "modules/headworklet.mjs");
  const { Training } = await load("@met4citizen/headaudio", "modules/training.mjs");
  const file = readFileSync(join(packageFolder("@met4citizen/headaudio"), "dist/model-en-mixed.bin"));
  globalThis.fetch = async () => ({
    ok: true,
    arrayBuffer: async () => file.buffer.slice(file.byteOffset, file.byteOffset + file.length),
  });
  const names = ["aa", "E", "I", "O", "U", "PP", "SS", "TH", "DD", "FF", "kk", "nn", "RR", "CH", "sil"];
  return async (clip) => {
    const worklet = new Worklet({ processorOptions: {} });
    const { model } = await new Training().loadModel("model");
    worklet.port.onmessage({ data: { event: "model", model } });
    const cues = [];
    let open = null;
    const close = (time) => {
      if (open) cues.push([open[0], Math.max(time, open[0]), open[1]]);
      open = null;
    };
    worklet.heard = (data) => {
      if (data.event === "viseme" && data.viseme !== null && names[data.viseme] !== open?.[1]) {
        close(data.t);
        open = [data.t, names[data.viseme]];
      } else if (data.event === "ended" || data.event === "end") close(data.t);
    };
    const samples = floats(clip);
    for (let at = 0; at + 128 <= samples.length; at += 128) worklet.process([[samples.subarray(at, at + 128)]], [], {});
    close(samples.length / RATE);
    return cues;
  };
}

// ---- wawa-lipsync, live: an AnalyserNode as the Web Audio specification defines it, looked at 60 times a second ----

class Analyser {
  fftSize = 2048;
  end = 0;
  get frequencyBinCount() {
    return this.fftSize / 2;
  }
  getByteFrequencyData(bytes) {
    const n = this.fftSize;
    this.smoothed ??= new Float64Array(n / 2);
    const re = new Float64Array(n), im = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const blackman = 0.42 - 0.5 * Math.cos((2 * Math.PI * i) / n) + 0.08 * Math.cos((4 * Math.PI * i) / n);
      re[i] = blackman * (this.samples[this.end - n + i] ?? 0);
    }
    fft(re, im);
    for (let k = 0; k < n / 2; k++) {
      this.smoothed[k] = 0.8 * this.smoothed[k] + (0.2 * Math.hypot(re[k], im[k])) / n;
      const level = 20 * Math.log10(this.smoothed[k]);
      bytes[k] = Math.max(0, Math.min(255, Math.floor((255 / 70) * (level + 100))));
    }
  }
}

function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const c = Math.cos((-2 * Math.PI * k) / size), s = Math.sin((-2 * Math.PI * k) / size);
      for (let at = k; at < n; at += size) {
        const to = at + size / 2;
        const x = re[to] * c - im[to] * s, y = re[to] * s + im[to] * c;
        re[to] = re[at] - x;
        im[to] = im[at] - y;
        re[at] += x;
        im[at] += y;
      }
    }
  }
}

async function wawa() {
  const analyser = { now: null };
  globalThis.window = globalThis; // only now: Rhubarb would take it for a browser's
  globalThis.AudioContext = class {
    sampleRate = RATE;
    createAnalyser() {
      return (analyser.now = new Analyser());
    }
  };
  const { Lipsync } = await load("wawa-lipsync", "dist/wawa-lipsync.es.js");
  const clock = performance.now.bind(performance);
  return async (clip) => {
    const lipsync = new Lipsync();
    analyser.now.samples = floats(clip);
    const count = Math.floor((60 * analyser.now.samples.length) / RATE);
    const cues = [];
    for (let frame = 1; frame <= count; frame++) {
      performance.now = () => (1000 * frame) / 60;
      analyser.now.end = Math.round((frame * RATE) / 60);
      lipsync.processAudio();
      cues.push([frame / 60, (frame + 1) / 60, lipsync.viseme.replace("viseme_", "")]);
    }
    performance.now = clock;
    return cues;
  };
}

const programs = {
  "Rhubarb, text": () => rhubarb(true),
  "Rhubarb": () => rhubarb(false),
  "TalkingHead rules, word times": talkingHead,
  "headaudio": headAudio,
  "wawa-lipsync": wawa,
};
const found = {};
for (const [name, make] of Object.entries(programs)) {
  try {
    const run = await make();
    const before = process.cpuUsage();
    const said = [];
    for (const clip of clips) said.push(await run(clip));
    const { user, system } = process.cpuUsage(before);
    found[name] = { seconds: (user + system) / 1e6, clips: said };
  } catch (error) {
    found[name] = { error: String(error) };
  }
}
writeFileSync(join(folder, "peers.json"), JSON.stringify(found));
