package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cheggaaa/pb/v3"
	"github.com/spf13/cobra"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory/propose"
	"chaperone/ledger/keys"
	"chaperone/patient"
	"chaperone/source"
	"chaperone/watch"
)

// watchFlags are the options of chaperone watch as they are typed.
type watchFlags struct {
	json, reveal, follow         bool
	names                        string
	ledger                       ledgerFlags
	since, until, host, protocol string
	failOn                       string
	proposeSite                  string
}

func newWatch() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "watch FILE...",
		Short: "Say whose patient records went where in a network capture",
		Long: `Read network captures (pcap, pcapng, also gzip) and say which systems gave which patients' records to whom,
how many distinct patients that is, and whether anyone on the wire could read along.

FILE is a capture, a folder of rotated captures, or - for standard input. Several are read in time order.
HL7 v2 (MLLP) and DICOM are found by what connections carry, on any port. Nothing is sent to anybody.

Patients appear as tokens: keyed stand-ins that say nothing without the key. With a key (--keys) the same patient
has the same token in every run; without one a new key is used for this run only.

With --propose-site a first site file is written: parties, grants, budgets and listeners as they were seen, each with a comment that
says what it rests on, for a person to go through, and how many of the queries it would refuse for asking for everybody. It holds no patient data.

With --ledger, or $CHAPERONE_LEDGER, everything that passed is put on record there, once however often it is read. A ledger
that is not there is made, with its keys. Without either nothing is recorded.

Exit status: 0 done; 1 done, and --fail-on found something; 2 not everything could be read.`,
		Example: `  chaperone watch clinic.pcapng
  chaperone watch --names hosts.csv --since 2026-11-08T08:00 /var/captures
  chaperone watch --json clinic.pcapng | jq 'select(.kind=="disclosure")'
  chaperone watch --names hosts.csv --propose-site site.yaml /var/captures
  chaperone watch --ledger /var/lib/chaperone/ledger /var/captures
  tcpdump -i eth0 -U -w - | chaperone watch --follow --json -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("watch: which capture? For example: chaperone watch clinic.pcapng (--help says more)")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runWatch(c, f, args) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "write JSON Lines: disclosure, system, finding, and summary last")
	flags.BoolVar(&f.reveal, "reveal", false, "show names and numbers of patients (patient data!)")
	flags.BoolVar(&f.follow, "follow", false, "go on reading while the capture grows; Ctrl-C ends it with the report")
	flags.StringVar(&f.names, "names", "", "CSV `file` of address,name: shows names instead of addresses")
	f.ledger.addRecording(c)
	flags.StringVar(&f.since, "since", "", "count messages from this `time` on: 2026-11-08, 2026-11-08T08:00, or with seconds and zone")
	flags.StringVar(&f.until, "until", "", "count messages before this `time`")
	flags.StringVar(&f.host, "host", "", "count messages from or to this `address`")
	flags.StringVar(&f.protocol, "protocol", "", "count messages of this `protocol`: hl7 or dicom")
	flags.StringVar(&f.proposeSite, "propose-site", "", "write a first site file for the guard, made from what was seen, to this new `file`")
	flags.StringVar(&f.failOn, "fail-on", "", "exit with 1 when there is a finding of this `severity` or above: low, medium, high, critical")
	_ = c.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"hl7", "dicom"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"low", "medium", "high", "critical"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("names", "csv")
	return c
}

func runWatch(c *cobra.Command, f watchFlags, args []string) error {
	o := watch.Options{Paths: args, Stdin: c.InOrStdin(), Follow: f.follow, Reveal: f.reveal}
	failOn, err := f.read(&o)
	if err != nil {
		return err
	}
	names := watch.Names{}
	if err := f.newProposal(); err != nil {
		return err
	}
	if f.names != "" {
		if names, err = watch.LoadNames(f.names); err != nil {
			return err
		}
	}
	if f.ledger.folder() != "" && o.Filter != (watch.Filter{}) {
		return errors.New("watch: a ledger takes all of a capture: leave --since, --until, --host and --protocol out, or record nothing with --ledger \"\" and without $" + ledgerVariable)
	}
	l, err := f.ledger.record(c, func() error { return readable(c.Context(), o) })
	if err != nil {
		return err
	}
	if l == nil {
		return watchTo(c, f, o, names, failOn)
	}
	if o.Tokens, err = l.Tokens(); err == nil {
		o.Ledger = watch.NewRecording(c.Context(), l, f.follow)
		err = watchTo(c, f, o, names, failOn)
	}
	return recorded(l, o.Ledger, err)
}

// readable makes sure that the captures can be opened. What can be opened only once is not tried.
func readable(ctx context.Context, o watch.Options) error {
	for _, path := range o.Paths {
		info, err := os.Stat(path)
		if path == "-" || err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			return nil
		}
	}
	captures, err := source.Open(ctx, o.Paths, source.Options{Follow: o.Follow})
	if err != nil {
		return err
	}
	return captures.Close()
}

// watchTo runs watch and writes what it says.
func watchTo(c *cobra.Command, f watchFlags, o watch.Options, names watch.Names, failOn *chaperone.Severity) (err error) {
	stderr := c.ErrOrStderr()
	ephemeral := false
	if o.Tokens == nil {
		if o.Tokens, ephemeral, err = tokenizer(f.ledger.keys); err != nil {
			return err
		}
	}
	o.Begin = func(*patient.Census) { // not before something could be opened: a bad path gets one line
		if ephemeral {
			fmt.Fprintln(stderr, "chaperone: no token key: patients get tokens that are good for this run only (--keys gives a key)")
		}
		if f.reveal {
			fmt.Fprintln(stderr, "chaperone: --reveal: the output contains patient data in the clear")
		}
	}
	var seen *propose.Collector
	if f.proposeSite != "" {
		seen = propose.New()
		o.Seen = seen.Event
	}
	bar := progress(stderr, &o)
	var result *watch.Result
	if f.json {
		j := watch.NewJSON(c.OutOrStdout(), names, f.follow, f.reveal)
		say := o.Begin
		o.Begin = func(c *patient.Census) { say(c); j.Begin(c) }
		ctx, stop := context.WithCancel(c.Context())
		defer stop()
		o.Each = func(d exchange.Disclosed) {
			if j.Each(d); j.Err() != nil {
				stop() // following has no other end
			}
		}
		result, err = watch.Run(ctx, o)
		bar()
		if j.Err() != nil && !besides(err, context.Canceled) {
			err = nil // Close tells what stopped it
		}
		err = errors.Join(j.Close(result), err)
	} else {
		report := watch.Report{Names: names, Zone: time.Local}
		if f.reveal {
			o.Each = func(d exchange.Disclosed) { report.People = append(report.People, d) }
		}
		result, err = watch.Run(c.Context(), o)
		bar()
		if result != nil && result.Packets > 0 {
			err = errors.Join(report.Write(c.OutOrStdout(), result), err)
		}
	}
	if seen != nil && result != nil && result.Packets > 0 {
		err = errors.Join(err, writeProposal(f.proposeSite, seen.Site(propose.Known{Site: result.Site, Trails: result.Detected.Trails, Census: result.Census, Names: names})))
	}
	if err == nil && failOn != nil && len(result.Findings) > 0 && result.Findings[0].Severity >= *failOn {
		return notHeld{fmt.Sprintf("--fail-on %s: the most severe finding is %s", *failOn, result.Findings[0].Severity)}
	}
	return err
}

// read turns what was typed into options, and refuses what it does not understand.
func (f watchFlags) read(o *watch.Options) (failOn *chaperone.Severity, err error) {
	if o.Filter.Since, err = moment("--since", f.since); err != nil {
		return nil, err
	}
	if o.Filter.Until, err = moment("--until", f.until); err != nil {
		return nil, err
	}
	if f.host != "" {
		if o.Filter.Host, err = chaperone.ParseAddress(f.host); err != nil {
			return nil, fmt.Errorf("--host: not an IP address; for example --host 192.0.2.10")
		}
	}
	switch p := chaperone.Protocol(strings.ToLower(f.protocol)); p {
	case "", chaperone.HL7, chaperone.DICOM:
		o.Filter.Protocol = p
	default:
		return nil, fmt.Errorf("--protocol: hl7 or dicom")
	}
	if f.failOn != "" {
		for s := chaperone.Low; s <= chaperone.Critical; s++ {
			if s.String() == strings.ToLower(f.failOn) {
				return &s, nil
			}
		}
		return nil, fmt.Errorf("--fail-on: low, medium, high or critical")
	}
	return nil, nil
}

// moment reads a time; without a zone it is the user's.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: not a time; for example 2026-11-08T08:00", flag)
}

// tokenizer finds the token key, or makes one that is good for this run only.
func tokenizer(dir string) (t *patient.Tokenizer, ephemeral bool, err error) {
	asked := dir != ""
	if !asked {
		dir = keys.DefaultFolder()
	}
	t, err = patient.LoadKey(dir)
	if errors.Is(err, patient.ErrNoKey) && !asked {
		return patient.NewEphemeral(), true, nil
	}
	return t, false, err
}

// progress shows a bar while captures are read, if somebody is there to see it. The returned function ends it.
func progress(stderr io.Writer, o *watch.Options) (done func()) {
	if o.Follow {
		return func() {}
	}
	return progressOf(stderr, &o.Progress)
}

// progressOf shows a bar for any long work.
func progressOf(stderr io.Writer, show *func(done, total int64)) (done func()) {
	file, ok := stderr.(*os.File)
	if !ok {
		return func() {}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	bar := pb.New64(0).Set(pb.Bytes, true).SetWriter(file).Set(pb.CleanOnFinish, true)
	started := false
	*show = func(read, total int64) {
		if !started {
			bar.Start()
			started = true
		}
		bar.SetTotal(total).SetCurrent(read)
	}
	return func() {
		if started {
			bar.Finish()
		}
	}
}
