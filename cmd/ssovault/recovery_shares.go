package main

import (
	"bytes"
	"context"
	"fmt"

	"ssovault/internal/fault"
	"ssovault/internal/recovery"
)

// maxPiped bounds what is read of piped shares.
const maxPiped = 100 * recovery.MaxShareFile

// secondKey reads the identity, or brings it back from shares.
func (a *app) secondKey(ctx context.Context, o recoverOptions) (recovery.Identity, error) {
	if o.identity != "" {
		text, err := a.readInput(ctx, o.identity, maxIdentities)
		if err != nil {
			return recovery.Identity{}, fault.Wrap(fault.Usage, err, "read the identity")
		}
		defer clear(text)
		id, err := recovery.ParseIdentity(text)
		return id, fault.Wrap(fault.Usage, err, "the identity %s", o.identity)
	}
	var all []recovery.Named
	defer func() {
		for i := range all {
			all[i].Wipe()
		}
	}()
	byHand := false
	for _, path := range o.shares {
		if path == "-" {
			byHand = true
			continue
		}
		text, err := a.readInput(ctx, path, recovery.MaxShareFile)
		if err != nil {
			return recovery.Identity{}, fault.Wrap(fault.Usage, err, "read the share %s", path)
		}
		share, err := recovery.ParseShare(text)
		clear(text)
		if err != nil {
			return recovery.Identity{}, fault.Wrap(fault.Unclassified, err, "the share %s", path)
		}
		all = append(all, recovery.Named{Name: path, Share: share})
	}
	if byHand {
		more := a.pipedShares
		if a.attended() {
			more = a.typedShares
		}
		var err error
		if all, err = more(ctx, all); err != nil {
			return recovery.Identity{}, err
		}
	}
	return recovery.Combine(all)
}

// pipedShares reads shares from standard input: their eight lines one after the
// other, whatever words stand between.
func (a *app) pipedShares(ctx context.Context, all []recovery.Named) ([]recovery.Named, error) {
	text, err := a.readInput(ctx, "-", maxPiped)
	if err != nil {
		return all, fault.Wrap(fault.Usage, err, "read the shares from standard input")
	}
	defer clear(text)
	var t recovery.Typed
	n := 1
	name := func() string { return fmt.Sprintf("share %d of standard input", n) }
	for line := range bytes.Lines(text) {
		line, typed := recovery.Bare(string(line))
		if !typed {
			continue // the words above the lines
		}
		if err := t.Add(line); err != nil {
			return all, (&fault.Error{Op: name(), Cause: fault.Usage, Err: err}).With(recovery.LeaveOut)
		}
		if !t.Whole() {
			continue
		}
		share, err := t.Share()
		if err != nil {
			return all, fault.Wrap(fault.Unclassified, err, "%s", name())
		}
		all = append(all, recovery.Named{Name: name(), Share: share})
		n++
	}
	if t.Next() != 1 {
		return all, fault.New(fault.Usage, "%s ends after line %d of %d", name(), t.Next()-1, recovery.ShareLines)
	}
	return all, nil
}

// typedShares lets custodians type their shares, one after the other, until
// there are enough. A line that is wrong is asked for again at once.
func (a *app) typedShares(ctx context.Context, all []recovery.Named) ([]recovery.Named, error) {
	q, err := a.questions(ctx)
	if err != nil {
		return all, err
	}
	defer q.close()
	if err := q.hold(0); err != nil {
		return all, err
	}
	for len(all) == 0 || len(all) < all[0].Shares.Threshold {
		q.say("Share %d: type its eight lines, with or without their numbers; what is wrong is said at once.", len(all)+1)
		share, err := q.typeShare()
		q.clearScreen() // the next custodian must not see it
		if err != nil {
			if c := fault.Of(err); c == fault.Tampered || c == fault.Malformed {
				q.say("This share is refused: %v. Type it again, or another one; Ctrl-C ends.", err)
				continue
			}
			return all, err
		}
		named := recovery.Named{Name: fmt.Sprintf("typed share %d", len(all)+1), Share: share}
		if err := recovery.FitTogether(append(append([]recovery.Named{}, all...), named)); err != nil {
			q.say("This share is refused: %v. Type another one; Ctrl-C ends.", err)
			continue
		}
		all = append(all, named)
		q.say("Share %d of %d is good; any %d are needed.", share.Index, share.Shares.Count, share.Shares.Threshold)
	}
	return all, nil
}

// typeShare reads the lines of one share.
func (q *questions) typeShare() (recovery.Share, error) {
	var t recovery.Typed
	for !t.Whole() {
		line, err := q.ask(fmt.Sprint(t.Next()), "")
		if err != nil {
			return recovery.Share{}, err
		}
		if err := t.Add(line); err != nil {
			q.say("  %v", err)
		}
	}
	return t.Share()
}
