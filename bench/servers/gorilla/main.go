// The peer gorilla/websocket: the same jobs as servers/job.ts describes, and the same lines to and from the harness.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

var (
	job         = os.Getenv("BENCH_JOB")
	upgrader    = websocket.Upgrader{EnableCompression: job == "deflate"}
	texts       = publications()
	lock        sync.Mutex
	subscribers = map[*websocket.Conn]bool{}
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	go obey()
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}

func obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "gc" {
			debug.FreeOSMemory()
			fmt.Println("gc done")
		}
	}
	os.Exit(0)
}

func serve(response http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	if job == "publish" {
		remember(connection, true)
		defer remember(connection, false)
	}
	for {
		kind, data, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if err := react(connection, kind, data); err != nil {
			return
		}
	}
}

func react(connection *websocket.Conn, kind int, data []byte) error {
	switch job {
	case "sink":
		return connection.WriteMessage(websocket.TextMessage, []byte("ok"))
	case "publish":
		return publish()
	default:
		return connection.WriteMessage(kind, data)
	}
}

func publish() error {
	lock.Lock()
	defer lock.Unlock()
	for _, text := range texts {
		message, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
		if err != nil {
			return err
		}
		for subscriber := range subscribers {
			if err := subscriber.WritePreparedMessage(message); err != nil {
				return err
			}
		}
	}
	return nil
}

func remember(connection *websocket.Conn, present bool) {
	lock.Lock()
	defer lock.Unlock()
	if present {
		subscribers[connection] = true
	} else {
		delete(subscribers, connection)
	}
}

func publications() []string {
	count, _ := strconv.Atoi(os.Getenv("BENCH_PUBLICATIONS"))
	texts := make([]string, count)
	for i := range texts {
		head := fmt.Sprintf(`{"publication":%d,"text":"`, i)
		texts[i] = head + strings.Repeat(".", 62-len(head)) + `"}`
	}
	return texts
}
