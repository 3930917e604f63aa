package kubernetes.admission

violation contains {"rule": "rbac-wildcard", "msg": msg} if {
	resource.kind in {"Role", "ClusterRole"}
	some rule in resource.rules
	some field in ["apiGroups", "resources", "verbs"]
	"*" in rule[field]
	msg := sprintf("%s: * in %s gives away more than is known today", [name, field])
}

violation contains {"rule": "rbac-escalation", "msg": msg} if {
	resource.kind in {"Role", "ClusterRole"}
	some rule in resource.rules
	some verb in rule.verbs
	verb in {"escalate", "bind", "impersonate"}
	msg := sprintf("%s: %s lets its holder become somebody else", [name, verb])
}

violation contains {"rule": "rbac-admin", "msg": msg} if {
	resource.kind in {"RoleBinding", "ClusterRoleBinding"}
	resource.roleRef.name == "cluster-admin"
	some subject in resource.subjects
	msg := sprintf("%s makes %s %s a cluster-admin", [name, subject.kind, subject.name])
}

violation contains {"rule": "rbac-anonymous", "msg": msg} if {
	resource.kind in {"RoleBinding", "ClusterRoleBinding"}
	some subject in resource.subjects
	subject.name in {"system:anonymous", "system:unauthenticated"}
	msg := sprintf("%s gives rights to %s", [name, subject.name])
}
