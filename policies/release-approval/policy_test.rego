package bundler_test

import data.bundler.set as approval

listed := {"approvers": {"alice": "alice@acme.example", "bob": "ab", "carol": "carol@acme.example"}}

alice := {"signer": {"publicKey": null, "certificate": {"fulcio": {"issuer": "https://login.acme.example"}, "san": {"email": ["alice@acme.example"]}}}}

bob := {"signer": {"publicKey": {"spkiSha256": "ab"}, "certificate": null}}

carol := {"signer": {"publicKey": null, "certificate": {"fulcio": null, "san": {"email": ["carol@acme.example"]}}}}

mallory := {"signer": {"publicKey": {"spkiSha256": "cd"}, "certificate": null}}

params := {"threshold": "2", "issuer": "https://login.acme.example"}

of(results) := {"params": params, "results": [object.union(r, {"params": params}) | some r in results]}

codes := {d.code | some d in approval.deny}

test_two_of_three if {
	every pair in [[alice, bob], [alice, carol], [bob, carol], [alice, bob, carol], [mallory, alice, bob]] {
		approval.allow with input as of(pair) with data.params as listed
		codes == set() with input as of(pair) with data.params as listed
	}
}

test_one_is_not_enough if {
	every few in [[alice], [alice, mallory], [], [bob, mallory]] {
		not approval.allow with input as of(few) with data.params as listed
		codes == {"threshold"} with input as of(few) with data.params as listed
	}
}

test_another_issuer if {
	evil := {"threshold": "2", "issuer": "https://evil.org"}
	other := {"params": evil, "results": [object.union(r, {"params": evil}) | some r in [alice, bob]]}
	not approval.allow with input as other with data.params as listed
}

test_one_approver_once if not approval.allow with input as of([alice, alice]) with data.params as listed

test_threshold_of_nothing if not approval.allow with input as object.union(of([alice]), {"params": {"threshold": "0"}}) with data.params as listed

test_no_parameters if {
	codes == {"params"} with input as {"params": {}, "results": [alice, bob]} with data.params as listed
	"params" in codes with input as of([alice])
}
