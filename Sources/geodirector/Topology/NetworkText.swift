import Topology

/// The network for people: applications, then a tree of sites, offices and links.
struct NetworkText {
  let topology: Topology

  init(_ topology: Topology) { self.topology = topology }

  var text: String {
    var lines = ["network \(topology.name), digest \(topology.digest)"]
    if topology.timeScale != 1 { lines.append("every duration times \(topology.timeScale)") }
    lines += ["", "applications"] + applications.lines(indent: 2)
    for site in topology.sites { lines += self.lines(of: site) }
    if !topology.offices.isEmpty { lines += ["", "offices"] + offices.lines(indent: 2) }
    if !topology.links.isEmpty { lines += ["", "links"] + links.lines(indent: 2) }
    if !topology.relays.isEmpty { lines += ["", "relays"] + relays.lines(indent: 2) }
    lines += geo
    lines += ScenariosText(topology).lines
    return lines.joined(separator: "\n")
  }

  /// Where clients are and which sites they get.
  private var geo: [String] {
    guard let geo = topology.geo else { return [] }
    var title = "geo, database \(topology.databasePath ?? "none")"
    if geo.minimumGainKilometres > 0 { title += ", minimum gain \(geo.minimumGainKilometres) km" }
    if geo.redirect?.value == true { title += ", redirect" }
    var table = TextTable(["clients", "sites", "location"])
    for entry in geo.networks {
      let sites = entry.sites?.map(\.value).joined(separator: ", ") ?? "by distance"
      table.add([
        "network \(entry.network.value)", sites, entry.place.map { "\($0.latitude), \($0.longitude)" } ?? "-",
      ])
    }
    for entry in geo.regions {
      let sites = entry.sites.map(\.value).joined(separator: ", ")
      table.add(["\(entry.kind.rawValue) \(entry.code.value)", sites, "-"])
    }
    return ["", title] + (geo.networks.isEmpty && geo.regions.isEmpty ? [] : table.lines(indent: 2))
  }

  private var applications: TextTable {
    var table = TextTable(["name", "hosts", "site cookie", "session cookie", "check"])
    for application in topology.applicationsInMatchingOrder {
      let hosts = application.hosts.map(\.value).joined(separator: ", ")
      table.add([
        application.name, hosts.isEmpty ? "every host" : hosts, cookie(application.siteCookie),
        cookie(application.sessionCookie), application.check.text,
      ])
    }
    return table
  }

  private func cookie(_ cookie: CookieSettings?) -> String {
    guard let plan = cookie?.plan else { return "none" }
    return "\(plan.name) (\(plan.mode.rawValue))"
  }

  private func lines(of site: Site) -> [String] {
    var title = "site \(site.name), cookie value \(site.cookie.value)"
    if let place = site.place { title += ", at \(place.latitude), \(place.longitude)" }
    if let url = site.url { title += ", \(url.value)" }
    if site.capacity > 0 { title += ", capacity \(site.capacity) requests a director" }
    let backup = topology.backupOrder(of: site).map(\.name)
    if !backup.isEmpty { title += ", backed by " + backup.joined(separator: ", ") }
    var nodes = TextTable(["kind", "name", "address", "health", "weight", "serves"])
    for (kind, list) in [("director", site.directors), ("balancer", site.balancers)] {
      for node in list {
        nodes.add([
          kind, node.name, node.listen.map(\.address.value.description).joined(separator: ", "),
          node.monitor.map { "monitor \($0.value)" } ?? "-", "\(node.weight)", "",
        ])
      }
    }
    for server in site.servers {
      let served = topology.applications.filter { server.address(for: $0.name) != nil }
      let addresses = served.compactMap { server.address(for: $0.name)?.description }
      var distinct: [String] = []
      for address in addresses where !distinct.contains(address) { distinct.append(address) }
      nodes.add([
        "server", server.name, distinct.joined(separator: ", "),
        server.admissionAddress.map { "admission \($0)" } ?? "-", "\(server.weight)",
        served.map(\.name).joined(separator: ", ") + (server.isDemo ? " (demo)" : ""),
      ])
    }
    return ["", title] + nodes.lines(indent: 2)
  }

  private var offices: TextTable {
    var table = TextTable(["name", "address", "sites in order"])
    for office in topology.offices {
      table.add([
        office.name, office.listen.map(\.address.value.description).joined(separator: ", "),
        topology.siteOrder(of: office).map(\.name).joined(separator: " > "),
      ])
    }
    return table
  }

  private var relays: TextTable {
    var table = TextTable(["name", "address", "check", "servers"])
    for relay in topology.relays {
      func texts(_ servers: [RelayServer]) -> String {
        servers.map { server in
          "\(server.name) \(server.address?.value.serviceText ?? "-")" + (server.isBackup ? " (backup)" : "")
        }.joined(separator: ", ")
      }
      var servers = relay.pools.map { pool in
        pool.serverNames.map(\.value).joined(separator: " ") + ": " + texts(pool.servers)
      }
      if !relay.servers.isEmpty { servers.append((relay.pools.isEmpty ? "" : "others: ") + texts(relay.servers)) }
      table.add([
        relay.name, relay.listen.map(\.address.value.description).joined(separator: ", "), relay.check?.text ?? "none",
        servers.joined(separator: "; "),
      ])
    }
    return table
  }

  private var links: TextTable {
    let isLossy = topology.links.contains { $0.loss > 0 }
    var table = TextTable(["between", "", "latency", "bandwidth", "cost per GB"] + (isLossy ? ["loss"] : []))
    for link in topology.links where link.ends.count == 2 {
      table.add(
        [
          link.ends[0].value, link.ends[1].value, link.latency.text,
          link.bandwidth.map { "\($0 / 1_000_000) Mbit/s" } ?? "unlimited", "\(link.costPerGigabyte)",
        ] + (isLossy ? [plainNumber(link.loss)] : []))
    }
    return table
  }
}
