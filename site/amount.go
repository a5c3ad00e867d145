package site

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unit is a name for an amount.
type unit struct {
	name string
	size int64
}

// amount reads a number with a unit, within bounds.
func amount[T ~int | ~int64](units []unit, least, most T, want string) codec[T] {
	show := func(x T) string {
		for i := len(units) - 1; i >= 0; i-- { // the largest that divides it
			if u := units[i]; int64(x)%u.size == 0 {
				return fmt.Sprintf("%d%s", int64(x)/u.size, u.name)
			}
		}
		return fmt.Sprint(int64(x))
	}
	return codec[T]{func(text string) (T, error) {
		digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
		n, err := strconv.ParseInt(digits, 10, 48)
		for _, u := range units {
			if err != nil || u.name != text[len(digits):] {
				continue
			}
			if n > int64(most)/u.size || T(n*u.size) < least {
				return 0, fmt.Errorf("outside its bounds; from %s to %s", show(least), show(most))
			}
			return T(n * u.size), nil
		}
		return 0, fmt.Errorf("%s", want)
	}, show}
}

func whole(least, most int) codec[int] {
	return amount([]unit{{"", 1}}, least, most, "not a whole number without dots and signs")
}

func size(least, most int64) codec[int64] {
	return amount([]unit{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}, least, most, "not a size; for example 16MiB (B, KiB, MiB, GiB)")
}

func duration(least, most time.Duration) codec[time.Duration] {
	return amount([]unit{{"s", int64(time.Second)}, {"m", int64(time.Minute)}, {"h", int64(time.Hour)}, {"d", int64(24 * time.Hour)}}, least, most,
		"not a length of time; for example 10s, 10m, 2h or 30d")
}
