/// Something that has a name.
private struct NamedThing {
  var kind: String
  var name: String
  var location: SourceLocation
}

extension Topology {
  /// Names that stand for two things. Those of sites and of all that is in them and of offices share one space, because
  /// cookies, logs and commands name them alike.
  func namesTwice() -> [Diagnostic] {
    let things =
      sites.flatMap { site in
        [NamedThing(kind: "site", name: site.name, location: site.location)]
          + site.directors.map { NamedThing(kind: "director", name: $0.name, location: $0.location) }
          + site.balancers.map { NamedThing(kind: "balancer", name: $0.name, location: $0.location) }
          + site.servers.map { NamedThing(kind: "server", name: $0.name, location: $0.location) }
      } + offices.map { NamedThing(kind: "office", name: $0.name, location: $0.location) }
      + relays.map { NamedThing(kind: "relay", name: $0.name, location: $0.location) }
    return twice(things)
      + twice(applications.map { NamedThing(kind: "application", name: $0.name, location: $0.location) })
      + twice(scenarios.map { NamedThing(kind: "scenario", name: $0.name, location: $0.location) })
  }

  private func twice(_ things: [NamedThing]) -> [Diagnostic] {
    var first: [String: NamedThing] = [:]
    var found: [Diagnostic] = []
    for thing in things where !thing.name.isEmpty {
      if let other = first[thing.name] {
        found.append(
          Diagnostic(
            .error, at: thing.location,
            "\(thing.kind) \"\(thing.name)\" has the name of the \(other.kind) at \(place(other.location, from: thing.location))",
            mend: "give it another name"))
      } else {
        first[thing.name] = thing
      }
    }
    return found
  }

  /// A place as told from another: the line alone within a file.
  func place(_ location: SourceLocation, from other: SourceLocation) -> String {
    location.file == other.file ? "line \(location.line)" : "\(location.file):\(location.line)"
  }

  /// Names that are not declared, with the nearest spelling; and names that a list has twice.
  func unknownNames() -> [Diagnostic] {
    let siteNames = sites.map(\.name).filter { !$0.isEmpty }
    let applicationNames = applications.map(\.name).filter { !$0.isEmpty }
    var found: [Diagnostic] = []
    for site in sites {
      found += unknown(site.applications ?? [], among: applicationNames, kind: "application")
      found += unknown(site.backup ?? [], among: siteNames, kind: "site")
      for backup in site.backup ?? [] where backup.value == site.name {
        found.append(
          Diagnostic(
            .error, at: backup.location, "site \"\(site.name)\" is its own backup", mend: "remove it from the list"))
      }
      for server in site.servers {
        found += unknown(
          server.ports.map(\.application), among: applicationNames, kind: "application", also: ["admission"])
      }
    }
    for office in offices { found += unknown(office.preference ?? [], among: siteNames, kind: "site") }
    let ends = siteNames + offices.map(\.name).filter { !$0.isEmpty }
    for link in links {
      found += unknown(link.ends, among: ends, kind: "site or office", sayTwice: false)
      if link.ends.count == 2, link.ends[0].value == link.ends[1].value {
        found.append(
          Diagnostic(.error, at: link.ends[1].location, "link connects \"\(link.ends[0].value)\" with itself"))
      }
    }
    for application in applications where application.name == "admission" {
      found.append(
        Diagnostic(
          .error, at: application.location, "no application can be named \"admission\"",
          mend: "the word names a server's admission port; choose another"))
    }
    return found + linksTwice()
  }

  func unknown(
    _ names: [Located<String>], among known: [String], kind: String, also: [String] = [], sayTwice: Bool = true
  ) -> [Diagnostic] {
    var found: [Diagnostic] = []
    for (index, name) in names.enumerated() {
      if !known.contains(name.value), !known.isEmpty {
        found.append(
          Diagnostic(
            .error, at: name.location, "unknown \(kind) \"\(name.value)\"",
            mend: spellingMend(of: name.value, among: known + also, noun: "declared")))
      } else if sayTwice, names[..<index].contains(where: { $0.value == name.value }) {
        found.append(
          Diagnostic(.error, at: name.location, "\(kind) \"\(name.value)\" is listed twice", mend: "remove one"))
      }
    }
    return found
  }

  private func linksTwice() -> [Diagnostic] {
    var found: [Diagnostic] = []
    var seen: Set<[String]> = []
    for link in links where link.ends.count == 2 {
      if !seen.insert(link.ends.map(\.value).sorted()).inserted {
        found.append(
          Diagnostic(
            .error, at: link.location, "a second link between \"\(link.ends[0].value)\" and \"\(link.ends[1].value)\"",
            mend: "one link stands for both directions"))
      }
    }
    return found
  }
}
