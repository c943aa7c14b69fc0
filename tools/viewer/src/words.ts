// What the pages say, in English and Chinese.
const WORDS = {
  expressions: ['Expressions', '表情'],
  reset: ['Reset', '复位'],
  mirror: ['Left and right together', '左右联动'],
  clips: ['Motion', '动作'],
  still: ['Still', '静止'],
  light: ['Light', '灯光'],
  follow: ['Eyes follow the pointer', '目光跟随指针'],
  head: ['Head', '头部'],
  figure: ['Whole figure', '全身'],
  picture: ['Save picture', '保存图片'],
  filter: ['Find a slider', '查找滑块'],
  Eyes: ['Eyes', '眼睛'],
  Brows: ['Brows', '眉毛'],
  Mouth: ['Mouth', '嘴'],
  Jaw: ['Jaw and tongue', '下颌与舌'],
  Cheeks: ['Cheeks and nose', '脸颊与鼻'],
  Visemes: ['Visemes', '口型'],
  More: ['More', '其他'],
  studio: ['Studio', '影棚'],
  day: ['Day', '白天'],
  evening: ['Evening', '傍晚'],
  flat: ['Flat', '平光'],
  withVideo: ['With the video', '与视频同步'],
  neutral: ['neutral', '平静'],
  happy: ['happy', '高兴'],
  sad: ['sad', '难过'],
  angry: ['angry', '生气'],
  surprised: ['surprised', '惊讶'],
  relaxed: ['relaxed', '放松'],
  afraid: ['afraid', '害怕'],
  disgusted: ['disgusted', '厌恶'],
  blink: ['blink', '闭眼'],
  microphone: ['Microphone', '麦克风'],
  listening: ['Listening: speak', '正在聆听，请说话'],
  speak: ['Speak', '说'],
  stop: ['Stop', '停止'],
  say: ['Type what the avatar should say', '输入要说的话'],
  emotion: ['Emotion', '情绪'],
  playFile: ['Play a file', '播放音频文件'],
  connected: ['connected', '已连接'],
  gone: ['The program has ended. Start it again: digitalme', '程序已退出，请重新启动：digitalme'],
  noMicrophone: ['No microphone may be used: ', '无法使用麦克风：'],
  thinking: ['One moment …', '请稍候……'],
  delay: ['sound to lips', '声音到口型'],
  title: ['Your digital self', '你的数字分身'],
  tagline: ['One photo and a voice: an avatar that is yours. Nothing leaves this computer.', '一张照片、一段声音，就是你自己的虚拟形象。一切都在本机完成。'],
  photo: ['Photo', '照片'],
  dropPhoto: ['Drop a photo here, or press to choose', '把照片拖到这里，或点击选择'],
  camera: ['Use the camera', '使用摄像头'],
  shoot: ['Take the picture', '拍照'],
  voice: ['Voice', '声音'],
  record: ['Record', '录音'],
  stopRecording: ['Stop recording', '停止录音'],
  chooseVoice: ['Choose a clip', '选择音频'],
  orType: ['or type what to say', '或输入要说的话'],
  words: ['The words of the clip, if you know them; without a clip they are spoken by a synthesiser', '音频里的话（如果知道）；没有音频时由合成声音说出'],
  look: ['Look', '风格'],
  consent: ['Who is in the photo, and that they agreed', '照片中是谁，以及其同意'],
  consentHint: ['for example: me; I agree', '例如：我本人，同意'],
  make: ['Make it', '开始制作'],
  cancel: ['Stop', '停止'],
  stages: ['Stages', '步骤'],
  stagesHint: ['Open a stage to see what it made; replace its picture and the work goes on from there.', '打开一个步骤可查看其结果；替换图片后将从该步骤继续。'],
  replace: ['Replace', '替换'],
  open: ['Open', '打开'],
  close: ['Close', '关闭'],
  avatar3d: ['Avatar', '虚拟形象'],
  video: ['Video', '视频'],
  downloads: ['Downloads', '下载'],
  makeFormat: ['make', '生成'],
  report: ['Report', '报告'],
  live: ['Speak live', '实时对话'],
  waiting: ['waiting', '等待'],
  working: ['working', '进行中'],
  kept: ['kept', '沿用'],
  finished: ['done', '完成'],
  failed: ['failed', '失败'],
  given: ['yours', '自定'],
  done: ['Done.', '完成。'],
  needPhoto: ['Choose a photo first.', '请先选择照片。'],
  needConsent: ['Say who is in the photo and that they agreed.', '请说明照片中的人并确认其同意。'],
  language: ['中文', 'English'],
  theme: ['Dark or light', '深色或浅色'],
  photoLook: ['in the photograph itself', '在照片中说话'],
  photoName: ['Photo', '照片'],
  studioLook: ['3D in studio light', '影棚三维'],
  moeLook: ['a cartoon', '卡通'],
  toonLook: ['a cartoon, near to life', '写实卡通'],
  chibiLook: ['a cartoon, small and round', 'Q版'],
  recorded: ['recorded', '已录音'],
  viewerHint: ['Drag to turn, wheel or pinch to come nearer; arrow keys, + and − do the same.', '拖动旋转，滚轮或双指缩放；也可用方向键与 + −。'],
} as const

export type Word = keyof typeof WORDS
export type Language = 'en' | 'zh'

function first(): Language {
  const kept = recall('language')
  return kept === 'en' || kept === 'zh' ? kept : navigator.language.startsWith('zh') ? 'zh' : 'en'
}

/** What the browser keeps for these pages; a report opened from a file may keep nothing. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`digitalme.${name}`)
  } catch {
    return null
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`digitalme.${name}`, value)
  } catch {
    // nothing is kept, then
  }
}

let language: Language = first()
const listeners: (() => void)[] = []

export const isWord = (key: string): key is Word => key in WORDS
export const word = (key: Word): string => WORDS[key][language === 'zh' ? 1 : 0]
export const nameOf = (key: string): string => (isWord(key) ? word(key) : key)

export function say(chosen: Language): void {
  language = chosen
  keep('language', chosen)
  document.documentElement.lang = chosen
  for (const element of document.querySelectorAll<HTMLElement>('[data-word]')) translate(element)
  for (const listener of listeners) listener()
}

export const spoken = (): Language => language
export const onLanguage = (listener: () => void): void => void listeners.push(listener)

/** `data-word` is an element's text, `data-word-in` the attribute that it goes into instead. */
function translate(element: HTMLElement): void {
  const text = nameOf(element.dataset.word ?? '')
  const attribute = element.dataset.wordIn
  if (attribute) element.setAttribute(attribute, text)
  else element.textContent = text
}

/** An element that speaks both languages. */
export function told<K extends keyof HTMLElementTagNameMap>(tag: K, key: Word, attribute = ''): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  element.dataset.word = key
  if (attribute) element.dataset.wordIn = attribute
  translate(element)
  return element
}
