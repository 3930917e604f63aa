# METADATA
# title: Promotion
# description: What may move to the next stage, and who has to agree.
package promotion

deny contains "no revision" if input.image.revision == ""

deny contains "prod needs the approval of somebody else" if {
	input.to == "prod"
	count({who | some who in input.approved_by; who != input.who}) == 0
}
