package main

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"ssovault/internal/hsm"
)

// typed lets each custodian type a component, and compare its KCV.
func (a *app) typed(ctx context.Context, count int, t hsm.KeyType, bits int) (all []hsm.Component, err error) {
	for len(all) < count {
		part, err := a.typedOne(ctx, fmt.Sprintf("component %d of %d", len(all)+1, count), t, bits)
		if err != nil {
			return all, err
		}
		all = append(all, part)
	}
	return all, nil
}

// typedOne takes in one component. It is typed again until its KCV is that of
// the sheet; Ctrl-C breaks off.
func (a *app) typedOne(ctx context.Context, name string, t hsm.KeyType, bits int) (part hsm.Component, err error) {
	q, err := a.questions(ctx)
	if err != nil {
		return part, err
	}
	defer q.close()
	if err := q.hold(unix.ECHO); err != nil { // also of what is typed between the questions
		return part, err
	}
	defer q.clearScreen()
	q.clearScreen()
	q.say("The custodian of %s, alone at this screen. What is typed is not shown.", name)
	for {
		part, err = a.typedBlocks(ctx, q, name, t, bits)
		if err != nil {
			return part, err
		}
		ok, err := compareKCV(ctx, q, name, part)
		if err == nil && ok {
			return part, nil
		}
		part.Wipe()
		if err != nil {
			return hsm.Component{}, err
		}
	}
}

// typedBlocks takes in blocks until there are all. Enter ends a block: of one that
// is not whole nothing is kept, since nobody sees how far it got.
func (a *app) typedBlocks(ctx context.Context, q *questions, name string, t hsm.KeyType, bits int) (part hsm.Component, err error) {
	e, err := hsm.NewEntry(t, bits)
	if err != nil {
		return part, err
	}
	defer func() {
		if err != nil {
			e.Wipe()
		}
	}()
	for !e.Done() {
		line, err := promptOnTerminal(ctx, fmt.Sprintf("%s, block %d of %d", name, e.Next(), e.Blocks()))
		if err != nil {
			return part, err
		}
		if err := e.Add(line.Bytes()); err != nil {
			q.say("%v. Type it again.", err)
		}
		line.Wipe()
		if dropped := e.DropPartial(); dropped > 0 {
			q.say("That is not the whole of block %d: the %d digits typed of it are dropped. Type the block again.", e.Next(), dropped)
			if dropped == 2 {
				q.say("If they are the check of the block before: a hyphen stands before a check, and no blank.")
			}
		}
	}
	return e.Component()
}

// compareKCV asks for the KCV on the sheet, and compares.
func compareKCV(ctx context.Context, q *questions, name string, part hsm.Component) (ok bool, err error) {
	for {
		want, is, err := q.askKCV(ctx, "KCV of "+name)
		if err != nil {
			return false, err
		}
		if !is {
			q.say("All blocks of the component are there. What is asked for is its KCV on the sheet: six hexadecimal digits.")
			continue
		}
		if err := part.Check(want); err != nil {
			q.say("%v.\nType the whole component again.", err)
			return false, nil
		}
		return true, nil
	}
}
