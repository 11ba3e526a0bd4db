// Every behaviour of the console. Each file finds its elements by data- attributes and listens on the document,
// so that what htmx or the socket puts in later behaves alike.
import "./clock.js";
import "./menu.js";
import "./standing.js";
import "./arm.js";
import "./dwell.js";
import "./keys.js";
import "./focus.js";
import "./list.js";
import "./select.js";
import "./controls.js";
import "./picks.js";
import "./verdict.js";
import "./attempt.js";
import "./claim.js";
import "./pane.js";
import "./version.js";
import "./filters.js";
import "./toast.js";
import "./overload.js";
import "./passkey.js";
import "./session.js";
import "./passkey-gate.js";
import "./unsent.js";
import "./live.js";
import "./desktop.js";
