// Tests run each program with ws itself too: it is the control.
module.exports = process.env.WS === "itself" ? require("ws-itself") : require("openline/ws");
