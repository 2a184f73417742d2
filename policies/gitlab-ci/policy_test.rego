package bundler_test

import data.bundler

project := "https://gitlab.com/acme/app"

release := {
	"params": {"project": project, "ref-pattern": `refs/tags/v[0-9.]+`},
	"signer": {"certificate": {
		"fulcio": {"issuer": "https://gitlab.com", "sourceRepositoryURI": project, "sourceRepositoryRef": "refs/tags/v1.2"},
		"san": {"uri": [concat("", [project, "//.gitlab-ci.yml@refs/tags/v1.2"])]},
	}},
}

codes := {d.code | some d in bundler.deny}

changed(part) := object.union(release, {"signer": {"certificate": part}})

test_accepts if {
	bundler.allow with input as release
	codes == set() with input as release
}

test_own_instance if {
	own := {"params": {"issuer": "https://git.acme.example"}}
	codes == {"issuer"} with input as object.union(release, own)
	bundler.allow with input as object.union(changed({"fulcio": {"issuer": "https://git.acme.example"}}), own)
}

test_another_project if {
	fork := changed({"fulcio": {"sourceRepositoryURI": "https://gitlab.com/mallory/app"}})
	not bundler.allow with input as fork
	codes == {"project"} with input as fork
}

test_another_ref if {
	not bundler.allow with input as changed({"fulcio": {"sourceRepositoryRef": "refs/heads/main"}})
	codes == {"ref"} with input as changed({"fulcio": {"sourceRepositoryRef": "refs/heads/main"}})
}

test_no_parameters if codes == {"params"} with input as object.remove(release, ["params"])
