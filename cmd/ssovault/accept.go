package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// accepted is what accept prints. Its JSON names are relied on by scripts.
type accepted struct {
	Instance string `json:"instance"`
	// Accepted is false where the files were the newest already, or the HSM
	// remembers none.
	Accepted   bool   `json:"accepted"`
	From       uint64 `json:"from_generation"`
	Remembered uint64 `json:"remembered_generation,omitempty"`
	Generation uint64 `json:"generation"`
	SaveID     string `json:"save_id"`
}

func (a *app) acceptCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "accept",
		Short: "Make the present files the newest that the HSM remembers",
		Long: `Accept is for after an older state was restored on purpose: it opens the files,
whatever the HSM remembers, and saves them again under the next generation. Where they
are the newest already it changes nothing, and says so.`,
		Example: `  ssovault accept`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.accept(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, r)
			}
			if !r.Accepted {
				_, err = fmt.Fprintf(a.out, "nothing to accept: instance %s, generation %d is the newest\n", r.Instance, r.Generation)
				return err
			}
			_, err = fmt.Fprintf(a.out, "accepted: instance %s, generation %d, is now generation %d, the newest that the HSM remembers (it was %d)\n",
				r.Instance, r.From, r.Generation, r.Remembered)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// accept saves older files again, if they are older.
func (a *app) accept(ctx context.Context) (r accepted, err error) {
	mark, err := a.save(ctx, access{acceptOlder: true}, func(s *session, _ *vault.Save) (bool, error) {
		if s.contents.Mode == vault.ModeClear {
			return false, fault.New(fault.Usage, "secure key storage is off: no generation is remembered")
		}
		now := s.contents.Mark()
		r = accepted{Instance: s.contents.SKS.Instance, Accepted: s.rollback.Older, From: now.Generation,
			Remembered: s.rollback.Remembered.Generation, Generation: now.Generation, SaveID: now.SaveID}
		return r.Accepted, nil
	})
	if r.Accepted {
		r.Generation, r.SaveID = mark.Generation, mark.SaveID
	}
	return r, err
}
