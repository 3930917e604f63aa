package kubernetes.admission

import data.kubernetes.settings

violation contains {"rule": "service-type", "msg": msg} if {
	resource.kind == "Service"
	resource.spec.type in {"NodePort", "LoadBalancer"}
	msg := sprintf("%s of type %s opens a port to the outside: use an Ingress", [name, resource.spec.type])
}

violation contains {"rule": "ingress-host", "msg": msg} if {
	resource.kind == "Ingress"
	some rule in resource.spec.rules
	host := object.get(rule, "host", "")
	not ours(host)
	msg := sprintf("%s answers for %q, which is not ours", [name, host])
}

violation contains {"rule": "ingress-host", "msg": msg} if {
	resource.kind == "Ingress"
	count(object.get(resource.spec, "rules", [])) == 0
	msg := sprintf("%s answers for any host", [name])
}

violation contains {"rule": "ingress-tls", "msg": msg} if {
	resource.kind == "Ingress"
	some rule in resource.spec.rules
	not encrypted(rule.host)
	msg := sprintf("%s serves %s without TLS", [name, rule.host])
}

ours(host) if {
	some domain in settings.domains
	endswith(host, concat("", [".", domain]))
	not startswith(host, "*")
}

encrypted(host) if {
	some tls in resource.spec.tls
	tls.secretName
	host in tls.hosts
}
