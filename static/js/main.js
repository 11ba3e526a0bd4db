// Every behaviour of the console. Each file finds its elements by data- attributes and listens on the document,
// so that what htmx or the socket puts in later behaves alike.
import "./clock.js";
import "./menu.js";
import "./keys.js";
import "./focus.js";
import "./list.js";
import "./select.js";
import "./verdict.js";
import "./claim.js";
import "./pane.js";
import "./filters.js";
import "./toast.js";
import "./scarcity.js";
import "./live.js";
import "./desktop.js";
