package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is a PostgreSQL of its own, on a socket in the work folder.
type cluster struct {
	data, socket string
	bin          string
	as           []string // how to become its user; root may not run it
}

// startCluster makes and starts one.
func startCluster(ctx context.Context, o options) (*cluster, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	c := &cluster{data: filepath.Join(o.Dir, "postgres", "data"), socket: filepath.Join(o.Dir, "postgres"), bin: bin}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if err := c.becomePostgres(o.Dir); err != nil {
			return nil, err
		}
	}
	if err := c.run(ctx, "initdb", "-D", c.data, "--auth=trust", "--username=bench", "--encoding=UTF8", "--no-locale"); err != nil {
		return nil, err
	}
	settings := fmt.Sprintf(`listen_addresses = ''
unix_socket_directories = '%s'
shared_buffers = 1GB
maintenance_work_mem = 512MB
work_mem = 64MB
effective_cache_size = 4GB
max_wal_size = 8GB
checkpoint_timeout = 15min
wal_compression = on
random_page_cost = 1.1
max_connections = 100
synchronous_commit = on
`, c.socket)
	conf, err := os.OpenFile(filepath.Join(c.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = conf.WriteString(settings)
	if err := errors.Join(err, conf.Close()); err != nil {
		return nil, err
	}
	return c, c.run(ctx, "pg_ctl", "-D", c.data, "-l", filepath.Join(c.socket, "log"), "-w", "-t", "60", "start")
}

// becomePostgres gives the folder to the user postgres.
func (c *cluster) becomePostgres(work string) error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("bench: root may not run PostgreSQL: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	c.as = []string{"runuser", "-u", "postgres", "--"}
	return errors.Join(os.Chmod(work, 0o711), os.Chown(c.socket, uid, gid), os.Chown(c.data, uid, gid))
}

func (c *cluster) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return c.run(ctx, "pg_ctl", "-D", c.data, "-m", "immediate", "-w", "stop")
}

func (c *cluster) run(ctx context.Context, program string, args ...string) error {
	line := append(append([]string(nil), c.as...), filepath.Join(c.bin, program))
	line = append(line, args...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var said bytes.Buffer
	if program != "pg_ctl" { // its child keeps the stream open
		cmd.Stdout, cmd.Stderr = &said, &said
	}
	cmd.Dir = "/"
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("bench: %s: %w\n%s", program, err, said.Bytes())
	}
	return nil
}

func (c *cluster) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=%s user=bench dbname=postgres", c.socket))
}

// postgresBin finds the programs of the server.
func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL is not installed (Debian: apt install postgresql)")
	}
	return filepath.Dir(path), nil
}

// measurePostgres takes PostgreSQL through the same. Without one it says so and gives nothing.
func measurePostgres(ctx context.Context, o options, stdout, stderr io.Writer) (results, error) {
	if _, err := postgresBin(); err != nil {
		fmt.Fprintf(stdout, "going on WITHOUT PostgreSQL: %v\n", err)
		return nil, nil
	}
	fmt.Fprintln(stderr, "postgres …")
	c, err := startCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	r := results{}
	err = c.measure(ctx, o, r)
	return r, errors.Join(err, c.stop())
}

func (c *cluster) measure(ctx context.Context, o options, r results) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, step := range []func(context.Context, *pgx.Conn, options, results) error{pgLoad, pgAsk, c.small} {
		if err := step(ctx, conn, o, r); err != nil {
			return fmt.Errorf("bench: PostgreSQL: %w", err)
		}
	}
	return nil
}
