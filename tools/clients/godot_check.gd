# Run by Godot 3 without a window: open res://avatar.glb, play its performance, print what is there as one JSON line.
extends SceneTree

func find(node, kind, found):
	if node.is_class(kind):
		found.append(node)
	for child in node.get_children():
		find(child, kind, found)
	return found

func _init():
	var scene = load("res://avatar.glb").instance()
	get_root().add_child(scene)
	var skeleton = find(scene, "Skeleton", [])[0]
	var bones = []
	for i in skeleton.get_bone_count():
		bones.append(skeleton.get_bone_name(i))
	var meshes = {}
	for instance in find(scene, "MeshInstance", []):
		var names = []
		for i in instance.mesh.get_blend_shape_count():
			names.append(instance.mesh.get_blend_shape_name(i))
		meshes[instance.name] = {"morphs": names, "vertices": instance.mesh.surface_get_arrays(0)[Mesh.ARRAY_VERTEX].size(),
			"skinned": instance.skin != null}
	var player = find(scene, "AnimationPlayer", [])[0]
	var clips = {}
	for name in player.get_animation_list():
		clips[name] = player.get_animation(name).length
	player.play("performance")
	player.seek(1.0, true)
	var bone = skeleton.find_bone("Head") if skeleton.find_bone("Head") >= 0 else skeleton.find_bone("head") # 3.2 renames
	var head = skeleton.get_bone_global_pose(bone).basis.get_rotation_quat()
	var face = null
	for instance in find(scene, "MeshInstance", []):
		if "Head" in instance.name and face == null:
			face = instance
	print("ANSWER " + JSON.print({"bones": bones, "meshes": meshes, "clips": clips, "head": [head.x, head.y, head.z, head.w],
		"jawOpen": face.get("blend_shapes/jawOpen")}))
	quit()
