import Geo
import Simulation
import Topology

/// A network on a map of the world: sites, offices and who goes where; with an office by the clients' location also the
/// world's people in the colours of their sites.
struct WorldMapSVG {
  private let topology: Topology
  private let entry: Office?
  private let crowds: [Crowd]
  /// Share of the world's people by site id.
  private let shares: [Double]

  /// The people around a city.
  private struct Crowd {
    var country: String
    var centre: PopulationCentre
    /// Its id.
    var site: Int
  }

  private static let margin = 28.0
  private static let width = 1200.0
  private static let top = 84.0

  init(_ topology: Topology) {
    self.topology = topology
    let entry = topology.offices.first { $0.order == .clientLocation }
    self.entry = entry
    var crowds: [Crowd] = []
    var people = [Double](repeating: 0, count: topology.sites.count)
    if let entry {
      let preference = GeographySimulation.preference(topology, entry: entry)
      let ids = preference.sites.map { topology.site(named: $0.name)?.id ?? 0 }
      for country in CountryTable.countries {
        for centre in country.centres {
          guard let first = preference.decide(place: country.place(at: centre.location)).order.first else { continue }
          crowds.append(Crowd(country: country.name, centre: centre, site: ids[first]))
          people[ids[first]] += centre.millions
        }
      }
    }
    // Small ones above large ones, so that none is hidden.
    self.crowds = crowds.sorted { $0.centre.millions > $1.centre.millions }
    let all = people.reduce(0, +)
    shares = people.map { all > 0 ? $0 / all : 0 }
  }

  var text: String {
    let map = WorldProjection(x: Self.margin, y: Self.top, width: Self.width - 2 * Self.margin)
    let mapHeight = WorldProjection.height(width: map.width)
    let rows = legend
    let height = Self.top + mapHeight + 30 + Double((rows.count + 2) / 3) * 22 + 30
    var svg = SVGText(
      width: Self.width, height: height, title: "Network \(topology.name) on the map", description: description,
      style: DrawingStyle.text + "\n" + Self.style)
    svg.rectangle("ground", x: 0, y: 0, width: Self.width, height: height)
    svg.text("heading", x: Self.margin, y: 44, topology.name)
    svg.text("note", x: Self.margin, y: 66, description)
    svg.begin("defs")
    svg.begin("clipPath", [("id", "frame")])
    svg.rectangle("frame", x: map.x, y: map.y, width: map.width, height: mapHeight, radius: 10)
    svg.end()
    svg.end()
    svg.begin("g", [("clip-path", "url(#frame)")])
    svg.rectangle("sea", x: map.x, y: map.y, width: map.width, height: mapHeight)
    for outline in WorldLand.outlines { svg.path("land", map.outline(outline)) }
    svg.path("lake", map.outline(WorldLand.caspian))
    for crowd in crowds { draw(crowd, map, in: &svg) }
    for office in topology.offices where office.order != .clientLocation { drawWay(of: office, map, in: &svg) }
    for office in topology.offices { draw(office, map, in: &svg) }
    for site in topology.sites { draw(site, map, in: &svg) }
    svg.end()
    for (index, row) in rows.enumerated() {
      let x = Self.margin + Double(index % 3) * 385
      let y = Self.top + mapHeight + 34 + Double(index / 3) * 22
      svg.rectangle("fill-\(colour(row.site))", x: x, y: y - 10, width: 12, height: 12, radius: 3)
      svg.text("quiet", x: x + 20, y: y, row.text)
    }
    svg.text("note", x: Self.margin, y: height - 16, footnote)
    return svg.finished()
  }

  private static let style = """
    .sea { fill: #eaf1f8; } .land { fill: #d3dbe3; stroke: #b9c4cf; stroke-width: 0.6; stroke-linejoin: round; }
    .lake { fill: #eaf1f8; stroke: none; } .crowd { fill-opacity: 0.55; } .mark { stroke: #ffffff; stroke-width: 2; }
    .halo { stroke: #eaf1f8; stroke-width: 3px; stroke-opacity: 0.85; paint-order: stroke; }
    @media (prefers-color-scheme: dark) {
    .sea { fill: #131b24; } .land { fill: #2b3743; stroke: #3c4a58; } .lake { fill: #131b24; }
    .mark { stroke: #0e1318; } .halo { stroke: #131b24; }
    }
    """

  private var description: String {
    func some(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
    var text = "\(some(topology.sites.count, "site")), \(some(topology.offices.count, "office"))"
    let absent =
      topology.sites.filter { $0.place == nil }.map(\.name) + topology.offices.filter { $0.place == nil }.map(\.name)
    if !absent.isEmpty { text += "; without a location, so not on the map: \(absent.joined(separator: ", "))" }
    return text
  }

  private var footnote: String {
    let lines = "Squares are sites, rings are offices; lines go from an office to its first site."
    guard let entry else { return lines }
    return
      "\(lines) Dots are the world's people, in the colour of the site that \(entry.name) gives them (GeoNames, CC BY 4.0)."
  }

  private var legend: [(site: Int, text: String)] {
    topology.sites.map { site in
      let offices = topology.offices.filter { office in
        office.order != .clientLocation && topology.siteOrder(of: office).first?.id == site.id
      }
      var parts: [String] = []
      if entry != nil {
        parts.append(
          GeographyText.percent(Int((shares[site.id] * 1e6).rounded()), 1_000_000) + " of the world's people")
      }
      if !offices.isEmpty { parts.append("\(offices.count) office\(offices.count == 1 ? "" : "s")") }
      return (site.id, parts.isEmpty ? site.name : "\(site.name): \(parts.joined(separator: ", "))")
    }
  }

  private func colour(_ site: Int) -> String { "c\(site % DrawingStyle.colourCount)" }

  private func draw(_ crowd: Crowd, _ map: WorldProjection, in svg: inout SVGText) {
    let at = map.point(crowd.centre.location)
    // Areas are as the numbers of people.
    let radius = max(1.5, 1.1 * crowd.centre.millions.squareRoot())
    circle("crowd fill-\(colour(crowd.site))", at, radius, "\(crowd.country): \(topology.sites[crowd.site].name)", &svg)
  }

  private func drawWay(of office: Office, _ map: WorldProjection, in svg: inout SVGText) {
    guard let from = office.place, let site = topology.siteOrder(of: office).first, let to = site.place else { return }
    svg.path(
      "way rank1 line-\(colour(site.id))", map.greatCircle(from, to), title: "\(office.name) goes to \(site.name)")
  }

  private func draw(_ office: Office, _ map: WorldProjection, in svg: inout SVGText) {
    guard let place = office.place else { return }
    let at = map.point(place)
    let site = topology.siteOrder(of: office).first
    circle("card line-\(colour(site?.id ?? 0))", at, 4.5, office.name, &svg)
    if topology.sites.contains(where: { $0.place.map { $0.kilometres(to: place) < 500 } ?? false }) {
      // Beside the site's name there is no room.
      return svg.text("note halo", x: at.x + 12, y: at.y + 20, office.name)
    }
    // On the side where its line does not leave.
    let leavesToTheEast = office.order != .clientLocation && (site?.place).map { map.point($0).x > at.x } ?? false
    let isAtTheEdge = at.x < map.x + 120
    let isLeft = leavesToTheEast && !isAtTheEdge
    svg.text("note halo", x: at.x + (isLeft ? -8 : 8), y: at.y + 4, office.name, anchor: isLeft ? .end : .start)
  }

  private func draw(_ site: Site, _ map: WorldProjection, in svg: inout SVGText) {
    guard let place = site.place else { return }
    let at = map.point(place)
    svg.rectangle("mark fill-\(colour(site.id))", x: at.x - 8, y: at.y - 8, width: 16, height: 16, radius: 4)
    let isRight = at.x > map.x + map.width - 120
    svg.text("name halo", x: at.x + (isRight ? -12 : 12), y: at.y + 5, site.name, anchor: isRight ? .end : .start)
  }

  private func circle(
    _ kind: String, _ at: (x: Double, y: Double), _ radius: Double, _ title: String, _ svg: inout SVGText
  ) {
    svg.begin(
      "circle",
      [
        ("class", kind), ("cx", SVGText.number(at.x)), ("cy", SVGText.number(at.y)), ("r", SVGText.number(radius)),
      ])
    svg.add("title", text: title)
    svg.end()
  }
}
