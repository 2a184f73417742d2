# Parameters of policies: --policy-param, else --policy-data.
package lib.params

# text is a parameter that is one text.
text(name) := input.params[name]

text(name) := value if {
	not input.params[name]
	value := data.params[name]
	is_string(value)
}

# list is a parameter that is one text or several.
list(name) := [text(name)]

list(name) := values if {
	not input.params[name]
	values := data.params[name]
	is_array(values)
}

# missing are those of the names that were not given, or given empty.
missing(names) := {name | some name in names; not given(name)}

given(name) if {
	count(list(name)) > 0
	every value in list(name) {
		value != ""
	}
}
