# Text: comparing names.
package lib.text

# full_match holds if the regular expression matches all of s: it is anchored
# at both ends, whatever it says itself.
full_match(re, s) if {
	regex.is_valid(re) # by itself, so that it can not close the group around it
	regex.match(sprintf(`\A(?:%s)\z`, [re]), s)
}
