// Pause does nothing until it is told to stop. It is the sandbox of every pod
// on the real node and the content of every image that is meant to run there.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// As process 1 of a container it must ask for the signals: the kernel
	// drops those that process 1 has no handler for.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	// Whoever reads this knows that the program really ran.
	fmt.Println("running")
	<-stop
}
