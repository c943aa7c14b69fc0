// An avatar in a canvas: orbit, morph weights, a turned head, clips, light. Pages and the report put their controls on it.
import * as THREE from 'three'
import { OrbitControls } from 'three/addons/controls/OrbitControls.js'
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js'
import { MeshoptDecoder } from 'three/addons/libs/meshopt_decoder.module.js'
import { VRMLoaderPlugin, type VRM } from '@pixiv/three-vrm'

export type Weights = Record<string, number>
/** What `performance.json` holds: curves on one grid, and the head's pitch, yaw and roll in radians. */
export type Performance = { rate: number; frames: number; curves: Record<string, number[]>; head: number[][] }

const NECK_SHARE = 0.4 // of the head's turn; as in digitalme.rendering.pose
export const LIGHTS = ['studio', 'day', 'evening', 'flat'] as const
export type Light = (typeof LIGHTS)[number]

type Morphing = THREE.SkinnedMesh & { morphTargetInfluences: number[]; morphTargetDictionary: Record<string, number> }

export class Viewer {
  readonly canvas: HTMLCanvasElement
  /** Weights that a person set; they stand over those of a clip. */
  readonly set: Weights = {}
  /** Weights that come from outside at each moment (a voice, a performance); null: none do. */
  live: Weights | null = null
  /** Pitch, yaw and roll in radians that come with `live`. */
  liveHead: number[] = [0, 0, 0]
  followPointer = false
  /** False: everything but the drawing itself, to measure without a program in the graphics card's place. */
  drawing = true
  /** Called before each frame is drawn, with the time in milliseconds. */
  beforeFrame: (time: number) => void = () => {}
  /** Called after each frame was handed to the graphics card. */
  afterFrame: (time: number) => void = () => {}
  /** Milliseconds of script of the last frames, without and with the calls of the graphics library. */
  readonly spent: { script: number; whole: number }[] = []
  clips: string[] = []

  private readonly renderer: THREE.WebGLRenderer
  private readonly scene = new THREE.Scene()
  private readonly camera = new THREE.PerspectiveCamera(24, 1, 0.05, 30)
  private readonly controls: OrbitControls
  private readonly lamps = new THREE.Group()
  private avatar: THREE.Group | null = null
  private vrm: VRM | null = null
  private meshes: Morphing[] = []
  private mixer: THREE.AnimationMixer | null = null
  private animations: THREE.AnimationClip[] = []
  private playing: string | null = null
  private bones: Record<string, { bone: THREE.Object3D; bind: THREE.Quaternion }> = {}
  private pointer = { x: 0, y: 0 }
  private visible = true
  private last = 0
  private readonly turn = new THREE.Quaternion()
  private readonly euler = new THREE.Euler()
  private home = new THREE.Vector3(0, 1.6, 0)
  private reach = 0.62

  constructor(private readonly host: HTMLElement) {
    this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: true })
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2))
    this.renderer.toneMapping = THREE.NeutralToneMapping
    this.canvas = this.renderer.domElement
    this.canvas.tabIndex = 0
    this.canvas.setAttribute('role', 'img')
    host.append(this.canvas)
    this.scene.add(this.lamps)
    this.controls = new OrbitControls(this.camera, this.canvas)
    this.controls.enableDamping = true
    this.controls.enablePan = false
    this.controls.maxDistance = 6
    this.controls.minDistance = 0.25
    this.light('studio')
    this.canvas.addEventListener('keydown', (event) => this.key(event))
    host.addEventListener('pointermove', (event) => {
      const box = host.getBoundingClientRect()
      this.pointer.x = ((event.clientX - box.left) / box.width) * 2 - 1
      this.pointer.y = 1 - ((event.clientY - box.top) / box.height) * 2
    })
    new ResizeObserver(() => this.resize()).observe(host)
    new IntersectionObserver((entries) => (this.visible = entries.some((entry) => entry.isIntersecting))).observe(host)
    this.resize()
    requestAnimationFrame((time) => this.frame(time))
  }

  /** Show the avatar of a GLB or VRM. */
  async load(data: ArrayBuffer): Promise<void> {
    const loader = new GLTFLoader()
    loader.setMeshoptDecoder(MeshoptDecoder)
    loader.register((parser) => new VRMLoaderPlugin(parser, { autoUpdateHumanBones: false }))
    const gltf = await loader.parseAsync(data, '')
    if (this.avatar) this.dispose(this.avatar)
    this.avatar = gltf.scene
    this.vrm = (gltf.userData.vrm as VRM | undefined) ?? null
    this.meshes = []
    this.bones = {}
    gltf.scene.traverse((node) => {
      if (node instanceof THREE.Mesh) {
        node.frustumCulled = false // morphs and bones leave the bounds of the rest shape
        if (node.morphTargetInfluences?.length && node.morphTargetDictionary) this.meshes.push(node as Morphing)
        const material = node.material as THREE.MeshStandardMaterial
        if (material.alphaTest > 0) material.alphaToCoverage = true // soft edges of hair and lashes
      }
      if (['Neck', 'Head'].includes(node.name)) this.bones[node.name] = { bone: node, bind: node.quaternion.clone() }
    })
    this.animations = gltf.animations
    this.clips = gltf.animations.map((clip) => clip.name)
    this.mixer = new THREE.AnimationMixer(gltf.scene)
    this.playing = null
    this.scene.add(gltf.scene)
    this.aim()
    this.canvas.dataset.loaded = 'yes'
  }

  /** Every morph of every mesh, once. */
  get morphs(): string[] {
    return [...new Set(this.meshes.flatMap((mesh) => Object.keys(mesh.morphTargetDictionary)))]
  }

  /** A weight as it was last drawn: the largest over the meshes. */
  shown(name: string): number {
    const found = this.meshes.map((mesh) => mesh.morphTargetInfluences[mesh.morphTargetDictionary[name] ?? -1] ?? 0)
    return found.length ? Math.max(...found) : 0
  }

  play(name: string | null): void {
    this.mixer?.stopAllAction()
    this.playing = name
    const clip = this.animations.find((each) => each.name === name)
    if (clip) this.mixer?.clipAction(clip).play()
    this.clear()
  }

  light(kind: Light): void {
    this.lamps.clear()
    const lamp = (color: string, strength: number, x: number, y: number, z: number) => {
      const each = new THREE.DirectionalLight(color, strength)
      each.position.set(x, y + 1.6, z)
      each.target.position.set(0, 1.6, 0)
      this.lamps.add(each, each.target)
    }
    const all = (sky: string, ground: string, strength: number) =>
      this.lamps.add(new THREE.HemisphereLight(sky, ground, strength))
    if (kind === 'studio') {
      all('#f3f4f8', '#b09c8d', 2.3)
      lamp('#fff3e6', 2.2, 0.7, 0.8, 1.8)
      lamp('#e6edff', 0.8, -1.5, 0.2, 1.5)
      lamp('#bcd2ff', 1.6, -1.2, 0.7, -1.4)
      lamp('#ffd9b8', 1.2, 1.3, 0.5, -1.4)
    } else if (kind === 'day') {
      all('#ffffff', '#b9ad9f', 2.2)
      lamp('#ffffff', 1.7, 0.4, 2, 1)
    } else if (kind === 'evening') {
      all('#3c4a78', '#20160f', 1.0)
      lamp('#ff9d5c', 2.8, 1.6, 0.3, 0.9)
      lamp('#5f83ff', 1.8, -1.5, 0.5, -0.6)
    } else {
      this.lamps.add(new THREE.AmbientLight('#ffffff', 3.1))
    }
  }

  /** The view as it was at first: head and shoulders, or the whole figure. */
  aim(whole = false): void {
    if (!this.avatar) return
    const head = this.bones.Head?.bone.getWorldPosition(new THREE.Vector3()) ?? new THREE.Vector3(0, 1.5, 0)
    const box = new THREE.Box3().setFromObject(this.avatar)
    if (whole) {
      box.getCenter(this.home)
      this.reach = (box.max.y - box.min.y) * 1.12
    } else {
      this.home.set(head.x, head.y + 0.01, head.z + 0.03)
      this.reach = 0.47
    }
    this.controls.target.copy(this.home)
    const away = this.reach / 2 / Math.tan((this.camera.fov * Math.PI) / 360)
    this.camera.position.set(this.home.x, this.home.y, this.home.z + away)
    this.controls.update()
  }

  /** Walk round the avatar by these angles, radians. */
  orbit(side: number, up: number): void {
    const offset = this.camera.position.clone().sub(this.controls.target)
    const place = new THREE.Spherical().setFromVector3(offset)
    place.theta += side
    place.phi = Math.min(Math.PI - 0.1, Math.max(0.1, place.phi - up))
    this.camera.position.copy(this.controls.target).add(offset.setFromSpherical(place))
  }

  private key(event: KeyboardEvent): void {
    const step = 0.15
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.orbit(-step, 0),
      ArrowRight: () => this.orbit(step, 0),
      ArrowUp: () => this.orbit(0, step),
      ArrowDown: () => this.orbit(0, -step),
      '+': () => this.camera.position.lerp(this.controls.target, 0.1),
      '-': () => this.camera.position.lerp(this.controls.target, -0.1),
      Home: () => this.aim(),
    }
    const move = moves[event.key === '=' ? '+' : event.key]
    if (!move) return
    event.preventDefault()
    move()
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.host
    if (!width || !height) return
    this.renderer.setSize(width, height)
    this.camera.aspect = width / height
    this.camera.updateProjectionMatrix()
  }

  private clear(): void {
    for (const mesh of this.meshes) mesh.morphTargetInfluences.fill(0)
    for (const { bone, bind } of Object.values(this.bones)) bone.quaternion.copy(bind)
  }

  private frame(time: number): void {
    requestAnimationFrame((next) => this.frame(next))
    if (!this.visible) return
    const start = performance.now()
    const step = Math.min(0.1, (time - this.last) / 1000)
    this.last = time
    this.beforeFrame(time)
    this.controls.update()
    if (this.playing) this.mixer?.update(step)
    if (this.vrm) this.vrm.update(step)
    this.pose()
    this.scene.updateMatrixWorld()
    const scripted = performance.now()
    if (this.drawing) this.renderer.render(this.scene, this.camera)
    this.spent.push({ script: scripted - start, whole: performance.now() - start })
    if (this.spent.length > 600) this.spent.shift()
    this.afterFrame(time)
  }

  private pose(): void {
    const gaze = this.followPointer ? this.gaze() : null
    for (const mesh of this.meshes) {
      const weights = mesh.morphTargetInfluences
      const names = mesh.morphTargetDictionary
      if (!this.playing) weights.fill(0)
      for (const source of [this.live, gaze, this.set]) {
        if (!source) continue
        for (const name in source) {
          const index = names[name]
          if (index !== undefined && (source[name] || source === this.set)) weights[index] = source[name]!
        }
      }
    }
    if (this.playing) return
    const [pitch = 0, yaw = 0, roll = 0] = this.live ? this.liveHead : []
    this.nod('Neck', pitch, yaw, roll, NECK_SHARE)
    this.nod('Head', pitch, yaw, roll, 1 - NECK_SHARE)
  }

  private nod(name: string, pitch: number, yaw: number, roll: number, share: number): void {
    const found = this.bones[name]
    if (!found) return
    this.turn.setFromEuler(this.euler.set(pitch, yaw, roll, 'YXZ'))
    found.bone.quaternion.copy(found.bind).multiply(this.turn.slerp(IDENTITY, 1 - share))
  }

  private gaze(): Weights {
    const { x, y } = this.pointer
    const side = Math.max(-1, Math.min(1, x)) * 0.6
    const up = Math.max(-1, Math.min(1, y)) * 0.5
    const left = Math.max(0, side) // the avatar's left is our right
    const right = Math.max(0, -side)
    const both = (name: string, value: number) => ({ [`${name}Left`]: value, [`${name}Right`]: value })
    return {
      eyeLookOutLeft: left, eyeLookInRight: left, eyeLookInLeft: right, eyeLookOutRight: right,
      ...both('eyeLookUp', Math.max(0, up)), ...both('eyeLookDown', Math.max(0, -up)),
    }
  }

  private dispose(thing: THREE.Object3D): void {
    this.scene.remove(thing)
    thing.traverse((node) => {
      if (!(node instanceof THREE.Mesh)) return
      node.geometry.dispose()
      for (const material of [node.material].flat()) {
        for (const value of Object.values(material)) if (value instanceof THREE.Texture) value.dispose()
        material.dispose()
      }
    })
  }
}

const IDENTITY = new THREE.Quaternion()

/** Weights and head of a performance at a time in seconds; held at its ends. */
export function at(performance: Performance, seconds: number): { weights: Weights; head: number[] } {
  const place = Math.max(0, Math.min(seconds * performance.rate, performance.frames - 1))
  const low = Math.floor(place)
  const high = Math.min(low + 1, performance.frames - 1)
  const part = place - low
  const mix = (curve: number[]) => curve[low]! * (1 - part) + curve[high]! * part
  const weights: Weights = {}
  for (const name in performance.curves) weights[name] = mix(performance.curves[name]!)
  return { weights, head: performance.head.map(mix) }
}
