package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fakeTime reads libfaketime's variable FAKETIME: nothing, an absolute time
// ("2025-02-09 09:17:23", with "@" or without, in UTC), or an offset from now in
// seconds, or in m, h, d or y ("+15d"). libfaketime itself can not reach a Go
// program.
func fakeTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if text[0] == '+' || text[0] == '-' {
		return offset(text, now)
	}
	absolute := strings.TrimPrefix(text, "@")
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04:05Z07:00", time.RFC3339} {
		if t, err := time.Parse(layout, absolute); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("FAKETIME %q: expected a time such as 2025-02-09 09:17:23, or an offset", text)
}

func offset(text string, now time.Time) (time.Time, error) {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'y': 365 * 24 * time.Hour}
	number, unit := text, time.Second
	if u, ok := units[text[len(text)-1]]; ok {
		number, unit = text[:len(text)-1], u
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("FAKETIME %q: expected a number of seconds: %w", text, err)
	}
	// Through seconds: a Duration ends after 292 years.
	return now.Add(time.Duration(n * unit.Seconds() * float64(time.Second))), nil
}
