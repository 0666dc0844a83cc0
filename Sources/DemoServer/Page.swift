extension Answer {
  /// A self-contained page, legible in light and in dark.
  var html: String {
    let hops = path.enumerated().map { index, name in
      let isServer = index == path.count - 1
      return "<li\(isServer ? " class=here" : "")>\(Self.escaped(name))</li>"
    }.joined()
    let count =
      isNew
      ? "A new session: this is its first visit." : "This session has come <strong>\(visits)</strong> times."
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(Self.escaped(server)): visit \(visits)</title>
      <style>
      :root { color-scheme: light dark; --ink: #1b2430; --soft: #5a6675; --line: #d5dbe3; --paper: #fbfcfd; --mark: #0b6e4f; }
      @media (prefers-color-scheme: dark) {
        :root { --ink: #e6ebf1; --soft: #9aa7b6; --line: #36414e; --paper: #14191f; --mark: #4fd1a1; }
      }
      body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
      main { max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem; }
      h1 { margin: 0; font-size: 3.5rem; line-height: 1.1; }
      h1 small { font-size: 1.25rem; font-weight: 400; color: var(--soft); }
      ol { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem 0; margin: 1.5rem 0; padding: 0; }
      li { border: 1px solid var(--line); border-radius: .5rem; padding: .25rem .75rem; }
      li + li { margin-left: 2rem; position: relative; }
      li + li::before { content: "\\2192"; position: absolute; left: -1.6rem; color: var(--soft); }
      li.here { border-color: var(--mark); color: var(--mark); font-weight: 600; }
      dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; border-top: 1px solid var(--line);
           padding-top: 1.25rem; }
      dt { color: var(--soft); }
      dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
      </style>
      </head>
      <body>
      <main>
      <h1>\(Self.escaped(server)) <small>\(Self.escaped(site ?? ""))</small></h1>
      <p>\(count)</p>
      <ol aria-label="Path of the request">\(hops)</ol>
      <dl>
      <dt>Application</dt><dd>\(Self.escaped(application))</dd>
      <dt>Session</dt><dd>\(Self.escaped(session))</dd>
      <dt>Visits</dt><dd>\(visits)</dd>
      <dt>Forwarded for</dt><dd>\(Self.escaped(forwardedFor ?? "nobody"))</dd>
      <dt>Request</dt><dd>\(Self.escaped(method + " " + target))</dd>
      </dl>
      </main>
      </body>
      </html>

      """
  }

  /// Text as it may stand in an element or a quoted attribute.
  static func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      default: out.append(character)
      }
    }
    return out
  }
}
