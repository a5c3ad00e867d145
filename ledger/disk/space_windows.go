package disk

import "golang.org/x/sys/windows"

// used gives how full the disk of a folder is, in per cent, and how many bytes are free for us; ok is false when it cannot be known.
func used(dir string) (percent int, free int64, ok bool) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, false
	}
	var available, total, unused uint64
	if err := windows.GetDiskFreeSpaceEx(path, &available, &total, &unused); err != nil || total == 0 {
		return 0, 0, false
	}
	return int((total - unused) * 100 / total), int64(available), true
}
