package bundler_test

import data.bundler

repository := "https://github.com/acme/app"

release := {
	"params": {"repository": repository, "workflow": ".github/workflows/release.yml", "ref-pattern": `refs/tags/v[0-9.]+`, "runner": "github-hosted"},
	"signer": {"certificate": {
		"fulcio": {
			"issuer": "https://token.actions.githubusercontent.com", "sourceRepositoryURI": repository,
			"sourceRepositoryRef": "refs/tags/v1.2", "runnerEnvironment": "github-hosted",
		},
		"san": {"uri": [concat("", [repository, "/.github/workflows/release.yml@refs/tags/v1.2"])]},
	}},
}

codes := {d.code | some d in bundler.deny}

changed(part) := object.union(release, {"signer": {"certificate": part}})

test_accepts if {
	bundler.allow with input as release
	codes == set() with input as release
	bundler.allow with input as object.union(release, {"params": {"ref": "refs/tags/v1.2", "ref-pattern": "x"}})
}

test_enterprise_server if {
	own := {"params": {"issuer": "https://ghe.acme.example/_services/token"}}
	not bundler.allow with input as object.union(release, own)
	codes == {"issuer"} with input as object.union(release, own)
	bundler.allow with input as object.union(changed({"fulcio": {"issuer": "https://ghe.acme.example/_services/token"}}), own)
}

test_another_repository if {
	fork := changed({"fulcio": {"sourceRepositoryURI": "https://github.com/mallory/app"}})
	not bundler.allow with input as fork
	codes == {"repository"} with input as fork
}

test_another_ref if {
	branch := changed({"fulcio": {"sourceRepositoryRef": "refs/tags/v1.2-evil"}})
	not bundler.allow with input as branch
	codes == {"ref"} with input as branch
}

test_another_workflow if {
	not bundler.allow with input as changed({"san": {"uri": [concat("", [repository, "/.github/workflows/release.yml.evil@refs/tags/v1.2"])]}})
}

test_another_runner if codes == {"runner"} with input as changed({"fulcio": {"runnerEnvironment": "self-hosted"}})

test_no_parameters if {
	codes == {"params", "ref"} with input as object.remove(release, ["params"])
}
