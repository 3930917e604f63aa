#!/bin/sh
# Publish the five recipes, as a platform team would: each is checked, tested and packed, and the same sources give the same digest.
#
#     sh examples/publish-recipes/publish.sh
#     sh examples/publish-recipes/publish.sh ghcr.io/acme/recipes
set -eu
to=${1:-registry.localhost/platform}
recipes=$(dirname "$0")/../recipes
for recipe in cleanup gates impact mirror promote; do
	policy recipe publish "$to/$recipe" "$recipes/$recipe"
done
