package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// The tables as one would lay them out for these questions: small integers for parties, hours and patients; one index that
// answers the count of distinct patients by itself, one that leads from a patient to the disclosures, and the id unique, so
// that a disclosure is recorded once. The dictionary of patients is in the table patient, and in the loader's memory.
const (
	tables = `
create table patient (number int primary key, token bytea not null);
create table disclosure (
	seq bigint not null, time timestamptz not null, id uuid not null, bytes bigint not null, packet bigint not null,
	position bigint not null, records int not null, sender smallint not null, receiver smallint not null,
	protocol smallint not null, action smallint not null, protection smallint not null, outcome smallint not null);
create table disclosure_patient (seq bigint not null, patient int not null, hour int not null, receiver smallint not null);`
	indexes = `
create unique index on disclosure (id);
create unique index on disclosure (seq);
create index on disclosure_patient (receiver, hour, patient);
create index on disclosure_patient (patient, seq);
create unique index on patient (token);`
)

var (
	disclosureColumns = []string{"seq", "time", "id", "bytes", "packet", "position", "records", "sender", "receiver", "protocol", "action", "protection", "outcome"}
	pairColumns       = []string{"seq", "patient", "hour", "receiver"}
)

// pgLoad loads everything with COPY, in transactions of as many disclosures as the ledger's batches have.
func pgLoad(ctx context.Context, conn *pgx.Conn, o options, r results) error {
	if _, err := conn.Exec(ctx, tables); err != nil {
		return err
	}
	if !o.Bulk {
		if _, err := conn.Exec(ctx, indexes); err != nil {
			return err
		}
	}
	began := time.Now()
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"patient"}, []string{"number", "token"}, pgx.CopyFromSlice(o.Patients+mostTraced, func(i int) ([]any, error) {
		t := token(number, int32(i))
		return []any{int32(i), t[:]}, nil
	}))
	if err != nil {
		return err
	}
	for first := 0; first < o.events(); first += batchSize {
		if err := pgBatch(ctx, conn, o, first, min(batchSize, o.events()-first)); err != nil {
			return err
		}
	}
	if o.Bulk {
		if _, err := conn.Exec(ctx, indexes); err != nil {
			return err
		}
	}
	pairs := float64(o.events() * perEvent)
	r["load"] = pairs / time.Since(began).Seconds()
	r["load and close"] = r["load"]
	if _, err := conn.Exec(ctx, "vacuum analyze"); err != nil { // not counted: it makes the questions fast
		return err
	}
	for name, what := range map[string]string{
		"bytes record": "pg_table_size('disclosure') + pg_table_size('disclosure_patient') + pg_table_size('patient')",
		"bytes index":  "pg_indexes_size('disclosure') + pg_indexes_size('disclosure_patient') + pg_indexes_size('patient')",
	} {
		var bytes int64
		if err := conn.QueryRow(ctx, "select "+what).Scan(&bytes); err != nil {
			return err
		}
		r[name] = float64(bytes) / pairs
		r["bytes all"] += r[name]
	}
	return nil
}

func pgBatch(ctx context.Context, conn *pgx.Conn, o options, first, n int) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	events := make([]event, n)
	for i := range events {
		events[i] = o.event(first + i)
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"disclosure"}, disclosureColumns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
		return disclosureRow(&events[i], first+i), nil
	}))
	if err == nil {
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"disclosure_patient"}, pairColumns, pgx.CopyFromSlice(n*perEvent, func(i int) ([]any, error) {
			e := &events[i/perEvent]
			return []any{int64(first + i/perEvent), e.patients[i%perEvent], int32(hourOf(e.time)), int16(e.receiver)}, nil
		}))
	}
	if err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

func disclosureRow(e *event, seq int) []any {
	return []any{int64(seq), e.time, e.id, e.bytes, int64(seq) * 10, int64(seq) * 900, int32(perEvent),
		int16(e.sender), int16(e.receiver), int16(1), int16(1), int16(0), int16(1)}
}

// pgAsk asks the same questions as the ledger is asked.
func pgAsk(ctx context.Context, conn *pgx.Conn, o options, r results) error {
	week, month := o.questions()
	for name, list := range map[string][]question{"7 days": week, "30 days": month} {
		var times []float64
		for _, q := range list {
			began := time.Now()
			var n int64
			err := conn.QueryRow(ctx, "select count(*) from (select distinct patient from disclosure_patient where receiver = any($1) and hour >= $2 and hour < $3) p",
				smallints(q.parties), q.from, q.to).Scan(&n)
			if err != nil {
				return err
			}
			times = append(times, milliseconds(time.Since(began)))
			r["sum "+name] += float64(n)
		}
		r.add(name, times)
	}
	var times []float64
	for range rounds {
		n := 0
		for _, patient := range o.traced() {
			began := time.Now()
			more, err := history(ctx, conn, patient)
			if err != nil {
				return err
			}
			times = append(times, milliseconds(time.Since(began)))
			n += more
		}
		r["sum history"] += float64(n)
	}
	r.histories(o, times)
	return nil
}

// history reads all disclosures of a patient, in order.
func history(ctx context.Context, conn *pgx.Conn, patient int32) (n int, err error) {
	t := token(number, patient)
	rows, err := conn.Query(ctx, `select d.* from patient join disclosure_patient p on p.patient = patient.number join disclosure d on d.seq = p.seq
		where patient.token = $1 order by d.time, d.seq`, t[:])
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}

func smallints(n []int) []int16 {
	var out []int16
	for _, v := range n {
		out = append(out, int16(v))
	}
	return out
}

// small lets one connection, then many, make small durable commits.
func (c *cluster) small(ctx context.Context, _ *pgx.Conn, o options, r results) error {
	var next atomic.Int64
	next.Store(int64(o.events()))
	for name, n := range map[string]int{"small 1": 1, "small 64": many} {
		var list []commit
		for range n {
			conn, err := c.connect(ctx)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			list = append(list, func(ctx context.Context, first int) error { return pgCommit(ctx, conn, o, first) })
		}
		rate, err := contest(ctx, o, &next, list)
		if err != nil {
			return err
		}
		r[name] = rate * smallBatch
	}
	return nil
}

// pgCommit sends one small batch as one transaction in one round trip. The patients are known, as nearly all are.
func pgCommit(ctx context.Context, conn *pgx.Conn, o options, first int) error {
	var b pgx.Batch
	b.Queue("begin")
	var seqs []int64
	var patients, hours []int32
	var parties []int16
	for i := range smallBatch {
		e := o.event(first + i)
		b.Queue(insertDisclosure, disclosureRow(&e, first+i)...)
		for _, p := range e.patients {
			seqs, patients = append(seqs, int64(first+i)), append(patients, p)
			hours, parties = append(hours, int32(hourOf(e.time))), append(parties, int16(e.receiver))
		}
	}
	b.Queue("insert into disclosure_patient select * from unnest($1::bigint[], $2::int[], $3::int[], $4::smallint[])", seqs, patients, hours, parties)
	b.Queue("commit")
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("small commit: %w", err)
	}
	return nil
}

const insertDisclosure = `insert into disclosure values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (id) do nothing`
