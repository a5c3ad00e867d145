package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"chaperone/internal/clinicsim"
)

// writeImages writes CT images of about size bytes into a folder, each of another patient, and gives the folder.
func writeImages(folder string, images, size int) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	random := rand.New(rand.NewPCG(1, 1))
	pixels := make([]byte, size&^1)
	for i := range pixels {
		pixels[i] = byte(random.Uint32())
	}
	for i := range images {
		instance := fmt.Sprintf("2.25.1.%d.%d", size, i+1)
		data := clinicsim.DataSet{
			clinicsim.Text(0x00080016, "UI", clinicsim.CTImage),
			clinicsim.Text(0x00080018, "UI", instance),
			clinicsim.Text(0x00080060, "CS", "CT"),
			clinicsim.Text(0x00100010, "PN", fmt.Sprintf("DOE^JANE^%d", i)),
			clinicsim.Text(0x00100020, "LO", fmt.Sprintf("P%d", i+1)),
			clinicsim.Text(0x0020000D, "UI", fmt.Sprintf("2.25.2.%d", i+1)),
			clinicsim.Text(0x0020000E, "UI", fmt.Sprintf("2.25.3.%d", i+1)),
			clinicsim.Raw(0x7FE00010, "OW", pixels),
		}
		file := part10(clinicsim.CTImage, instance, data.Encode(clinicsim.ExplicitLE))
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.dcm", i)), file, 0o600); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// part10 puts preamble and file meta information before a data set in explicit VR little endian (PS3.10 section 7.1).
func part10(class, instance string, data []byte) []byte {
	meta := clinicsim.DataSet{
		clinicsim.Raw(0x00020001, "OB", []byte{0, 1}),
		clinicsim.Text(0x00020002, "UI", class),
		clinicsim.Text(0x00020003, "UI", instance),
		clinicsim.Text(0x00020010, "UI", clinicsim.ExplicitLE),
		clinicsim.Text(0x00020012, "UI", "2.25.4"),
	}.Encode(clinicsim.ExplicitLE)
	length := clinicsim.DataSet{{Tag: 0x00020000, VR: "UL", Value: binary.LittleEndian.AppendUint32(nil, uint32(len(meta)))}}
	file := append(make([]byte, 128, 1024+len(data)), "DICM"...)
	file = append(file, length.Encode(clinicsim.ExplicitLE)...)
	return append(append(file, meta...), data...)
}
