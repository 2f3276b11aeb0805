package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"ssovault/internal/backup"
)

// progress shows how far a long command is, where standard error is a
// terminal; elsewhere it shows nothing. done takes the bar away.
func (a *app) progress(what string) (report backup.Progress, done func()) {
	out, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	report = func(now, total int64) {
		if bar == nil {
			bar = progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
				progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set64(now)
	}
	return report, func() {
		if bar != nil {
			_ = bar.Clear()
		}
	}
}
