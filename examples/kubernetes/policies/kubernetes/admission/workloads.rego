package kubernetes.admission

import data.kubernetes.settings

violation contains {"rule": "labels", "msg": msg} if {
	pod
	some label in settings.required_labels
	object.get(resource.metadata, ["labels", label], "") == ""
	msg := sprintf("%s has no label %s", [name, label])
}

violation contains {"rule": "namespace", "msg": msg} if {
	pod
	object.get(resource.metadata, "namespace", "default") == "default"
	msg := sprintf("%s is in the default namespace", [name])
}

violation contains {"rule": "resources", "msg": msg} if {
	some container in containers
	some field in [["requests", "cpu"], ["requests", "memory"], ["limits", "memory"]]
	object.get(container, array.concat(["resources"], field), "") == ""
	msg := sprintf("%s: container %q sets no %s", [name, container.name, concat(".", field)])
}

violation contains {"rule": "probes", "msg": msg} if {
	serving
	some container in pod.spec.containers
	some probe in ["readinessProbe", "livenessProbe"]
	not container[probe]
	msg := sprintf("%s: container %q has no %s", [name, container.name, probe])
}

violation contains {"rule": "replicas", "msg": msg} if {
	resource.kind in {"Deployment", "StatefulSet"}
	replicas := object.get(resource.spec, "replicas", 1)
	replicas < settings.min_replicas
	msg := sprintf("%s runs %d of at least %d replicas", [name, replicas, settings.min_replicas])
}
