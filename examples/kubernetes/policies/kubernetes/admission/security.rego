package kubernetes.admission

import data.kubernetes.settings

violation contains {"rule": "privileged", "msg": msg} if {
	some container in containers
	container.securityContext.privileged
	msg := sprintf("%s: container %q is privileged", [name, container.name])
}

violation contains {"rule": "privilege-escalation", "msg": msg} if {
	some container in containers
	object.get(container, ["securityContext", "allowPrivilegeEscalation"], true)
	msg := sprintf("%s: container %q may gain privileges: set allowPrivilegeEscalation to false", [name, container.name])
}

violation contains {"rule": "run-as-non-root", "msg": msg} if {
	some container in containers
	not non_root(container)
	msg := sprintf("%s: container %q may run as root", [name, container.name])
}

violation contains {"rule": "capabilities", "msg": msg} if {
	some container in containers
	not "ALL" in object.get(container, ["securityContext", "capabilities", "drop"], [])
	msg := sprintf("%s: container %q does not drop ALL capabilities", [name, container.name])
}

violation contains {"rule": "capabilities", "msg": msg} if {
	some container in containers
	some capability in container.securityContext.capabilities.add
	not capability in settings.allowed_capabilities
	msg := sprintf("%s: container %q adds the capability %s", [name, container.name, capability])
}

violation contains {"rule": "read-only-root", "msg": msg} if {
	some container in containers
	not container.securityContext.readOnlyRootFilesystem
	msg := sprintf("%s: container %q can write to its root file system", [name, container.name])
}

violation contains {"rule": "host-namespaces", "msg": msg} if {
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	pod.spec[field]
	msg := sprintf("%s: %s shares a namespace with the node", [name, field])
}

violation contains {"rule": "host-path", "msg": msg} if {
	some volume in pod.spec.volumes
	volume.hostPath
	msg := sprintf("%s: volume %q mounts %s of the node", [name, volume.name, volume.hostPath.path])
}

violation contains {"rule": "secret-in-env", "msg": msg} if {
	some container in containers
	some variable in container.env
	variable.value
	regex.match(`(?i)(password|secret|token|api_?key)`, variable.name)
	msg := sprintf("%s: container %q has %s in clear text: use secretKeyRef", [name, container.name, variable.name])
}

# What the container says counts before what the pod says.
non_root(container) if container.securityContext.runAsNonRoot

non_root(container) if {
	not "runAsNonRoot" in object.keys(object.get(container, "securityContext", {}))
	pod.spec.securityContext.runAsNonRoot
}
