# METADATA
# title: Admission
# description: >-
#   What a cluster lets in. `violation` holds an object `{"rule", "msg"}` for
#   each thing that is wrong with the manifest in `input`, which may also come
#   wrapped in an AdmissionReview. The empty set means: welcome.
package kubernetes.admission

# METADATA
# title: What is to be admitted
resource := input.request.object if {
	input.kind == "AdmissionReview"
} else := input

# METADATA
# title: The pod a workload makes, wherever its kind keeps it
pod := resource if {
	resource.kind == "Pod"
} else := resource.spec.template if {
	resource.kind in {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}
} else := resource.spec.jobTemplate.spec.template if {
	resource.kind == "CronJob"
}

# METADATA
# title: Every container of the pod, those that only run at its start included
containers contains container if some container in pod.spec.containers

containers contains container if some container in pod.spec.initContainers

serving := resource.kind in {"Deployment", "StatefulSet", "DaemonSet"}

name := sprintf("%s/%s", [resource.kind, resource.metadata.name])
