# The in-toto statement that was signed.
package lib.statement

# subject_has holds if a subject has that digest, in lower-case hex.
subject_has(alg, hex) if {
	some subject in input.statement.subject
	subject.digest[alg] == hex
}
