package kubernetes.admission

import data.kubernetes.settings

violation contains {"rule": "image-registry", "msg": msg} if {
	some container in containers
	not trusted(container.image)
	msg := sprintf("%s: container %q runs %s, which is from no trusted registry", [name, container.name, container.image])
}

violation contains {"rule": "image-tag", "msg": msg} if {
	some container in containers
	not pinned(container.image)
	msg := sprintf("%s: container %q runs %s: name a version or a digest", [name, container.name, container.image])
}

trusted(image) if {
	some prefix in settings.trusted_registries
	startswith(image, prefix)
}

pinned(image) if contains(image, "@sha256:")

pinned(image) if {
	not contains(image, "@")
	last := regex.replace(image, `^.*/`, "")
	[_, tag] := split(last, ":")
	tag != "latest"
}
