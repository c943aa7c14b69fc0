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
  photoHint: ['One face, from the front, in even light', '一张正脸，光线均匀'],
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
  consentMe: ['It is me, and I agree', '是我本人，我同意'],
  consentHint: ['for example: me; I agree', '例如：我本人，同意'],
  make: ['Make it', '开始制作'],
  cancel: ['Stop', '停止'],
  stages: ['How it is made', '制作过程'],
  stagesHint: ['Open a step to see what it made. Replace one of its pictures, and the work goes on from there.', '打开一个步骤可查看其结果；替换图片后将从该步骤继续。'],
  replace: ['Replace', '替换'],
  open: ['Open', '打开'],
  close: ['Close', '关闭'],
  avatar3d: ['Avatar', '虚拟形象'],
  video: ['Video', '视频'],
  downloads: ['Downloads', '下载'],
  makeFormat: ['make', '生成'],
  live: ['Speak live', '实时对话'],
  liveHint: ['The avatar speaks along with your microphone. In a terminal:', '虚拟形象随麦克风实时说话。在终端运行：'],
  copy: ['Copy', '复制'],
  copied: ['Copied', '已复制'],
  moreFormats: ['Other formats', '其他格式'],
  records: ['Records and numbers', '记录与数据'],
  skip: ['Skip to the result', '跳到结果'],
  ofSteps: ['steps', '步'],
  welcome: ['From one photo and a voice to a face that speaks', '一张照片、一段声音，变成会说话的你'],
  welcomeText: ['Fill in the four steps on this page. A minute or two later the avatar is here, to turn, to move and to take away.',
    '填好本页的四步，一两分钟后，虚拟形象就会出现在这里：可旋转、可调表情、可下载。'],
  getVideo: ['A talking video', '会说话的视频'],
  getVideoText: ['MP4, with lips that follow the voice', 'MP4，口型与声音同步'],
  getAvatar: ['A rigged 3D avatar', '带骨骼的三维形象'],
  getAvatarText: ['GLB, VRM, FBX, USD: for games, streams and the web', 'GLB、VRM、FBX、USD：用于游戏、直播和网页'],
  getPrivate: ['Yours alone', '只属于你'],
  getPrivateText: ['Made on this computer; no photo leaves it', '全部在本机完成，照片不会上传'],
  portraitStage: ['Portrait', '肖像'],
  portraitDoes: ['the face is found and cut out', '找到人脸并抠图'],
  likenessStage: ['Likeness', '相似脸型'],
  likenessDoes: ['a head is fitted to the face, and the photo laid onto it', '拟合头部形状并贴上照片'],
  avatarStage: ['Avatar', '虚拟形象'],
  avatarDoes: ['hair, eyes, teeth and clothes', '头发、眼睛、牙齿与衣服'],
  voiceStage: ['Voice', '声音'],
  voiceDoes: ['the words are spoken', '合成语音'],
  speechStage: ['Speech', '语音分析'],
  speechDoes: ['the sounds of the voice, and their times', '声音中的音素与时间'],
  scriptStage: ['Script', '文字稿'],
  scriptDoes: ['sentences, and what is felt in them', '句子与其中的情绪'],
  performanceStage: ['Performance', '表演'],
  performanceDoes: ['how lips, eyes, brows and head move', '嘴唇、眼睛、眉毛与头部的动作'],
  exportsStage: ['Files', '文件'],
  exportsDoes: ['the avatar in the formats of other programs', '导出为其他程序的格式'],
  framesStage: ['Frames', '画面'],
  framesDoes: ['each picture of the video is drawn', '绘制视频的每一帧'],
  videoStage: ['Video', '视频'],
  videoDoes: ['pictures and voice together', '合成画面与声音'],
  scorecardStage: ['Scorecard', '评分'],
  scorecardDoes: ['how alike it is, and how well the lips follow', '相似度与口型准确度'],
  glbFile: ['3D avatar, for engines and the web', '三维形象，用于引擎与网页'],
  vrmFile: ['3D avatar, for streaming', '三维形象，用于直播'],
  fbxFile: ['3D avatar, for animation programs', '三维形象，用于动画软件'],
  usdzFile: ['3D avatar, for film tools and AR', '三维形象，用于影视与增强现实'],
  mp4File: ['the talking video', '会说话的视频'],
  pngFile: ['the portrait, cut out', '抠好的肖像'],
  htmlFile: ['a report of every step', '每一步的报告'],
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
  photoLook: ['the photo itself speaks', '照片本身在说话'],
  photoName: ['Photo', '照片'],
  studioName: ['Studio', '影棚'],
  moeName: ['Anime', '动漫'],
  toonName: ['Toon', '卡通'],
  chibiName: ['Chibi', 'Q版'],
  studioLook: ['3D, in soft light', '柔光三维'],
  moeLook: ['drawn, large eyes', '手绘大眼'],
  toonLook: ['drawn, near to life', '手绘写实'],
  chibiLook: ['small and round', '小巧圆润'],
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
