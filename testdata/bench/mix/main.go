// Command mix fills a folder with what lies in a connector's data/ beside its
// settings: caches that no compressor makes smaller, and dumps that are text.
// "mix FOLDER MEBIBYTES" writes half of each, always the same bytes.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// largest is the size of one file.
const largest = 64 << 20

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: mix FOLDER MEBIBYTES")
	}
	mebibytes, err := strconv.ParseInt(os.Args[2], 10, 32)
	check(err)
	random := rand.NewChaCha8([32]byte{1})
	rest := mebibytes << 20 / 2
	for i := 0; rest > 0; i++ {
		size := min(rest, largest)
		rest -= size
		file(fmt.Sprintf("cache-%04d.bin", i), size, random)
		file(fmt.Sprintf("users-%04d.sql", i), size, &dump{random: rand.New(random)})
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func file(name string, size int64, content io.Reader) {
	f, err := os.OpenFile(filepath.Join(os.Args[1], name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	check(err)
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyN(w, content, size)
	check(err)
	check(w.Flush())
	check(f.Close())
}

// dump is an endless text of SQL.
type dump struct {
	random *rand.Rand
	n      int
	line   []byte
}

var names = []string{"anna", "ben", "carla", "dmitri", "elif", "fatima", "george", "hanna", "ivan", "jun", "kofi", "lena", "marta", "noor", "otto", "priya"}

func (d *dump) Read(b []byte) (int, error) {
	if len(d.line) == 0 {
		d.n++
		first, last := names[d.random.IntN(len(names))], names[d.random.IntN(len(names))]
		d.line = fmt.Appendf(nil, "INSERT INTO users (id, login, mail, device, seen) VALUES (%d, '%s.%s%d', '%s.%s@example.com', '%016x', '2026-%02d-%02d %02d:%02d:%02d');\n",
			d.n, first, last, d.random.IntN(1000), first, last, d.random.Uint64(),
			1+d.random.IntN(12), 1+d.random.IntN(28), d.random.IntN(24), d.random.IntN(60), d.random.IntN(60))
	}
	n := copy(b, d.line)
	d.line = d.line[n:]
	return n, nil
}
