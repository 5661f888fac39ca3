// The oracle answers questions with the code that archmatch predicts: containerd,
// containers/image, containerd/platforms as Docker uses it, the Kubernetes scheduling
// helpers and distribution/reference. One JSON question a line on standard input, one
// JSON answer a line on standard output, in the same order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// A question names its table; the rest of it is the table's own.
type question struct {
	Table string `json:"table"`
}

var tables = map[string]func(line []byte) (any, error){
	"platform":   answerPlatform,
	"reference":  answerReference,
	"affinity":   answerAffinity,
	"toleration": answerToleration,
	"candidates": answerCandidates,
	"daemonset":  answerDaemonSet,
}

func main() {
	if err := answerAll(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func answerAll() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 1<<20), 1<<26)
	output := bufio.NewWriterSize(os.Stdout, 1<<20)
	encoder := json.NewEncoder(output)
	for lines.Scan() {
		// An empty line ends a batch: whoever asks waits for what was asked so far.
		if len(lines.Bytes()) == 0 {
			if err := output.Flush(); err != nil {
				return err
			}
			continue
		}
		answer, err := answerLine(lines.Bytes())
		if err != nil {
			return fmt.Errorf("%w in %s", err, lines.Bytes())
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return output.Flush()
}

func answerLine(line []byte) (any, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	answer, known := tables[asked.Table]
	if !known {
		return nil, fmt.Errorf("unknown table %q", asked.Table)
	}
	return answer(line)
}
