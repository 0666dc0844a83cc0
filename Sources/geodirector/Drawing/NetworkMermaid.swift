import Topology

/// A network as a Mermaid flowchart: a subgraph for each site with its tiers, offices beside them.
struct NetworkMermaid {
  let picture: NetworkPicture

  init(_ topology: Topology) { picture = NetworkPicture(topology) }

  var text: String {
    var lines = ["flowchart LR", "  %% \(picture.description)"]
    // Ids are numbers with a letter: names may be words of the language, such as "end".
    for shape in picture.offices { lines.append("  o\(shape.office.id)([\"\(shape.office.name)\"])") }
    for site in picture.topology.sites { lines += self.lines(of: site) }
    for shape in picture.offices {
      for way in shape.ways {
        let facts = ["\(way.rank):"] + (way.link?.facts ?? [])
        lines.append(
          "  o\(shape.office.id) \(way.rank == 1 ? "==>" : "-.->")|\"\(facts.joined(separator: " "))\"| s\(way.site)")
      }
    }
    for link in picture.siteLinks {
      lines.append("  s\(link.first) <-->|\"\(link.link.facts.joined(separator: " "))\"| s\(link.second)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func lines(of site: Site) -> [String] {
    var lines = ["  subgraph s\(site.id)[\"\(site.name)\"]", "    direction TB"]
    let tiers = [
      ("d", "directors", site.directors.map { ($0.id, $0.name) }),
      ("b", "balancers", site.balancers.map { ($0.id, $0.name) }),
      ("w", "servers", site.servers.map { ($0.id, $0.name) }),
    ]
    for (letter, label, members) in tiers {
      lines.append("    subgraph s\(site.id)\(letter)[\"\(label)\"]")
      for (id, name) in members { lines.append("      \(letter)\(id)[\"\(name)\"]") }
      lines.append("    end")
    }
    lines.append("    s\(site.id)d --> s\(site.id)b --> s\(site.id)w")
    return lines + ["  end"]
  }
}
