package people

// column keeps values of one width in chunks, as they are in a file: growing copies nothing.
type column struct {
	width  int // bytes of a value
	chunks [][]byte
}

const (
	perChunk  = 1 << 16 // values
	tokenSize = 16
)

func (c *column) at(i uint32) []byte {
	start := int(i%perChunk) * c.width
	return c.chunks[i/perChunk][start : start+c.width]
}

func (c *column) append(value []byte) {
	last := len(c.chunks) - 1
	if last < 0 {
		c.chunks = append(c.chunks, nil) // grows as it needs: most tables are small
		last = 0
	} else if len(c.chunks[last]) == perChunk*c.width {
		c.chunks = append(c.chunks, make([]byte, 0, perChunk*c.width))
		last++
	}
	c.chunks[last] = append(c.chunks[last], value...)
}

// makeColumn makes one of n zero values.
func makeColumn(width int, n uint32) column {
	c := column{width: width}
	for left := int(n); left > 0; left -= perChunk {
		room := perChunk
		if len(c.chunks) == 0 {
			room = min(left, perChunk)
		}
		c.chunks = append(c.chunks, make([]byte, min(left, perChunk)*width, room*width))
	}
	return c
}
