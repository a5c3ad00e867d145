package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chaperone/ledger"
	"chaperone/ledger/disk"
	"chaperone/page"
)

// purgeFlags are the options of chaperone ledger purge as they are typed.
type purgeFlags struct {
	ledger      ledgerFlags
	days        []string
	retain      string
	dryRun, yes bool
}

func newPurge() *cobra.Command {
	var f purgeFlags
	c := &cobra.Command{
		Use:   "purge",
		Short: "Make days on record unreadable for good: those of more than seven years ago, or others",
		Long: `Make the entries of days unreadable for good: the days' keys are destroyed, and the room is given back. That it was done stays
on record, and ledger verify still tells it from tampering. Backups of the ledger's folder still have the keys: they are to
be destroyed apart. A patient may ask for six years (45 CFR 164.528): keep at least those.

Without --day, the days of more than seven years ago are meant, or of more than --retain says. They are listed, and nothing
happens before you say yes. Without --retain too, a day that is long past and was recorded lately, of an old capture or while
the clock was behind, is kept for seven years from its recording on: say --retain 7y to purge it all the same.

Exit status: 0 done, also when there was nothing to do; 2 not done, or not all of it.`,
		Example: `  chaperone ledger purge --dry-run
  chaperone ledger purge --retain 10y --yes
  chaperone ledger purge --day 2019-11-08`,
		RunE: func(c *cobra.Command, _ []string) error { return runPurge(c, f) },
	}
	f.ledger.add(c)
	f.ledger.place(c)
	flags := c.Flags()
	flags.StringSliceVar(&f.days, "day", nil, "this `day`, as 2006-01-02 in UTC; several: all of them")
	flags.StringVar(&f.retain, "retain", ledger.UsualRetention.String(), "all days before this `span` of time back from today: 7y, 18m or 90d")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say which days it would be")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	c.MarkFlagsMutuallyExclusive("day", "retain")
	_ = c.RegisterFlagCompletionFunc("retain", cobra.FixedCompletions([]string{"7y", "10y"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("day", cobra.NoFileCompletions)
	return c
}

func runPurge(c *cobra.Command, f purgeFlags) error {
	if c.Flags().Changed("day") && len(f.days) == 0 { // which is not the days of more than seven years ago
		return errors.New("--day: not a day; for example --day 2019-11-08")
	}
	meant, err := f.meant(time.Now())
	if err != nil {
		return err
	}
	open := f.ledger.write
	if f.dryRun {
		open = f.ledger.ask
	}
	l, err := open(c)
	if err != nil {
		return err
	}
	return errors.Join(f.purge(c, l, meant), l.Close())
}

// meant gives the function that says which days are to go.
func (f *purgeFlags) meant(now time.Time) (func(ledger.Day) bool, error) {
	if len(f.days) == 0 {
		retain, err := ledger.ParseRetention(f.retain)
		if err != nil {
			return nil, fmt.Errorf("--retain: %w", err)
		}
		first := retain.First(now)
		return func(d ledger.Day) bool { return d < first }, nil
	}
	var list []ledger.Day
	for _, text := range f.days {
		t, err := time.Parse(time.DateOnly, text)
		if err != nil || t.Year() < 1970 {
			return nil, errors.New("--day: not a day; for example --day 2019-11-08")
		}
		day := ledger.DayOf(t)
		if day >= ledger.DayOf(now) {
			return nil, fmt.Errorf("--day %s: %w", day, disk.ErrToday)
		}
		list = append(list, day)
	}
	return func(d ledger.Day) bool { return slices.Contains(list, d) }, nil
}

// unfinished says what came of a purge that a day ended: the days before it are gone, and itself when that is on record.
func unfinished(err error, day ledger.Day, before int) error {
	if errors.Is(err, disk.ErrUnfinished) {
		return fmt.Errorf("%s purged; %s: %w", page.Count(before+1, "day"), day, err)
	}
	return fmt.Errorf("%s: %w; %s before it were purged; say it again to go on", day, err, page.Count(before, "day"))
}

// farAhead is how far a clock may be ahead of what was recorded last, while nobody is asked.
const farAhead = 90 * 24 * time.Hour

// past takes out of a list the days that are long past and were recorded lately, of old captures or with a clock that was behind, unless
// somebody said how long days are kept. A clock that is far ahead of what was recorded last is not believed without being asked.
func (f *purgeFlags) past(l *disk.Ledger, all, list []ledger.Day, meant func(ledger.Day) bool, said bool) (past []ledger.Day, err error) {
	var newest time.Time
	for _, day := range all {
		begun, err := l.Begun(day)
		if err != nil {
			return nil, err
		}
		if begun.After(newest) {
			newest = begun
		}
		if slices.Contains(list, day) && (said || meant(ledger.DayOf(begun))) {
			past = append(past, day)
		}
	}
	if now := time.Now(); f.yes && len(past) > 0 && now.Sub(newest) > farAhead {
		return nil, fmt.Errorf("the clock says %s, and this ledger was last recorded into at about %s: if the clock is right, say it without --yes", now.UTC().Format(time.DateOnly), newest.UTC().Format(time.DateOnly))
	}
	return past, nil
}

// lately says that past has kept days, and how they are purged all the same.
func (f *purgeFlags) lately(kept int) string {
	if kept == 0 {
		return ""
	}
	return fmt.Sprintf("%s recorded lately, of old captures or while the clock was behind: kept as long as others from then on; --retain %s purges them too",
		page.Count(kept, "day long past was", "days long past were"), f.retain)
}

func (f *purgeFlags) purge(c *cobra.Command, l *disk.Ledger, meant func(ledger.Day) bool) error {
	s, err := l.Status()
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(slices.Clone(s.Days), func(d ledger.Day) bool { return !meant(d) })
	note := ""
	if len(f.days) == 0 {
		all := len(list)
		if list, err = f.past(l, s.Days, list, meant, c.Flags().Changed("retain")); err != nil {
			return err
		}
		note = f.lately(all - len(list))
	}
	out := c.OutOrStdout()
	if len(list) == 0 {
		if note == "" {
			note = "none of these days has anything on record that can be read"
		}
		_, err := fmt.Fprintln(out, "nothing to purge: "+note)
		return err
	}
	if note != "" {
		note = "; " + note
	}
	for _, day := range list {
		fmt.Fprintln(out, day)
	}
	if f.dryRun {
		_, err := fmt.Fprintf(out, "%s would be purged%s\n", page.Count(len(list), "day"), note)
		return err
	}
	if !f.yes {
		fmt.Fprintf(c.ErrOrStderr(), "Destroy what is on record of the %s above for good? Type yes: ", page.Count(len(list), "day"))
		line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), 64)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !strings.EqualFold(strings.TrimSpace(line), "yes") {
			return errors.New("not purged: nobody said yes (--yes does without asking)")
		}
	}
	for i, day := range list {
		if err := l.Purge(c.Context(), day); err != nil {
			return unfinished(err, day, i)
		}
	}
	_, err = fmt.Fprintf(out, "%s purged%s\n", page.Count(len(list), "day"), note)
	return err
}
