import Topology

/// Where everything of a network's drawing stands: offices on the left, sites on the right, each a card; curves from an
/// office's rows to the sites, and arcs beside the sites between them. The same topology gives the same layout.
struct NetworkLayout {
  /// A rectangle in user units, y downwards.
  struct Frame {
    var x, y, width, height: Double
    var right: Double { x + width }
    var bottom: Double { y + height }
  }
  /// A node in a site's card.
  struct Chip {
    var text: String
    var frame: Frame
  }
  /// One tier in a site's card.
  struct TierRow {
    var label: String
    var baseline: Double
    var chips: [Chip]
  }
  struct SiteCard {
    var site: Site
    var frame: Frame
    var tiers: [TierRow]
    /// Links to other sites: the row's middle, and what it says.
    var rows: [LinkRow]
  }
  struct LinkRow {
    var site: Int
    var middle: Double
    /// As of `Link.columns`; none: the file says nothing of the link.
    var columns: [String]
  }
  struct OfficeCard {
    var shape: NetworkPicture.OfficeShape
    var frame: Frame
    var rows: [LinkRow]
  }
  struct Curve {
    var from, to: (x: Double, y: Double)
    var site: Int
    var rank: Int
    var title: String
  }
  struct Arc {
    var x, top, bottom, reach: Double
    var title: String
  }

  // Sizes in user units, which are pixels on a screen.
  static let margin = 28.0
  static let heading = 70.0
  static let rowHeight = 19.0
  static let padding = 14.0
  static let cardHeading = 34.0
  static let monospace = 7.25  // a character of 12 units
  static let chipHeight = 22.0
  private static let chipGap = 6.0
  private static let chipsWidthMax = 300.0
  static let tierLabel = 76.0
  /// Chips of a tier: further ones are counted.
  private static let chipsMax = 24
  private static let cardGap = 20.0
  private static let between = 210.0

  private(set) var offices: [OfficeCard] = []
  private(set) var sites: [SiteCard] = []
  private(set) var curves: [Curve] = []
  private(set) var arcs: [Arc] = []
  private(set) var width = 0.0
  private(set) var height = 0.0
  /// Widths of the columns of facts, for all cards of a kind alike: name, latency, bandwidth ...
  private(set) var officeColumns: [Double] = []
  private(set) var siteColumns: [Double] = []
  /// Where the links to other sites begin in a site's card.
  private(set) var siteLinksX = 0.0
  /// Room for the chips of a tier: as much as the longest needs, up to a bound.
  private let chipsWidth: Double

  init(_ picture: NetworkPicture) {
    let topology = picture.topology
    let tiers = topology.sites.flatMap { [$0.directors.map(\.name), $0.balancers.map(\.name), $0.servers.map(\.name)] }
    let longest = tiers.map { $0.prefix(Self.chipsMax).reduce(0) { $0 + Self.chipWidth($1) + Self.chipGap } }.max() ?? 0
    chipsWidth = min(Self.chipsWidthMax, max(110, longest))
    let hasSiteLinks = !picture.siteLinks.isEmpty
    officeColumns = columns(
      picture.offices.flatMap { shape in
        shape.ways.map { [topology.sites[$0.site].name] + ($0.link?.columns ?? []) }
      })
    siteColumns = columns(
      picture.siteLinks.flatMap { link in
        [link.first, link.second].map { [topology.sites[$0].name] + link.link.columns }
      })
    let officeWidth = max(
      150, 2 * Self.padding + 16 + officeColumns.reduce(0, +),
      2 * Self.padding + (picture.offices.map { Double($0.office.name.count) * 9 + 80 }.max() ?? 0))
    let tiersWidth = 2 * Self.padding + Self.tierLabel + chipsWidth
    let siteWidth = tiersWidth + (hasSiteLinks ? 16 + siteColumns.reduce(0, +) + 6 + Self.padding : 0)

    let officeX = Self.margin
    let siteX = picture.offices.isEmpty ? Self.margin : officeX + officeWidth + Self.between
    siteLinksX = siteX + tiersWidth + 6
    placeSites(picture, x: siteX, width: siteWidth)
    placeOffices(picture, x: officeX, width: officeWidth)
    centre()
    connect(picture)
    let reach = arcs.map(\.reach).max() ?? 0
    width = siteX + siteWidth + reach * 0.75 + Self.margin
    height = max(offices.last?.frame.bottom ?? 0, sites.last?.frame.bottom ?? 0) + Self.margin + 22
  }

  /// The widths of columns of text; the first is the name.
  private func columns(_ rows: [[String]]) -> [Double] {
    var widths: [Double] = []
    for row in rows {
      for (column, text) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        if !text.isEmpty { widths[column] = max(widths[column], Double(text.count) * Self.monospace + 14) }
      }
    }
    return widths
  }

  // MARK: Cards

  private mutating func placeSites(_ picture: NetworkPicture, x: Double, width: Double) {
    var y = Self.heading + Self.margin
    for site in picture.topology.sites {
      var line = y + Self.cardHeading + 8
      var tiers: [TierRow] = []
      let kinds = [
        ("directors", site.directors.map(\.name)), ("balancers", site.balancers.map(\.name)),
        ("servers", site.servers.map(\.name)),
      ]
      for (label, names) in kinds {
        let (chips, bottom) = chips(names, x: x + Self.padding + Self.tierLabel, y: line)
        tiers.append(TierRow(label: label, baseline: line + 15.5, chips: chips))
        line = bottom + 10
      }
      let links = Self.linksInOrder(picture.siteLinks, of: site.id)
      let begin = y + Self.cardHeading + 12 + Self.rowHeight
      let rows = links.enumerated().map { index, link in
        LinkRow(
          site: link.first == site.id ? link.second : link.first,
          middle: begin + Self.rowHeight * (Double(index) + 0.5), columns: link.link.columns)
      }
      let bottom = max(line - 10, rows.isEmpty ? 0 : begin + Self.rowHeight * Double(rows.count)) + Self.padding
      sites.append(
        SiteCard(site: site, frame: Frame(x: x, y: y, width: width, height: bottom - y), tiers: tiers, rows: rows))
      y = bottom + Self.cardGap
    }
  }

  /// Links of a site so that arcs lie within each other: upwards the nearest first, then downwards the farthest first.
  private static func linksInOrder(_ links: [NetworkPicture.SiteLink], of site: Int) -> [NetworkPicture.SiteLink] {
    let up = links.filter { $0.second == site }.sorted { $0.first > $1.first }
    let down = links.filter { $0.first == site }.sorted { $0.second > $1.second }
    return up + down
  }

  /// Names in lines of chips, and where the last line ends.
  private func chips(_ names: [String], x: Double, y: Double) -> ([Chip], Double) {
    var shown = Array(names.prefix(Self.chipsMax))
    if names.count > shown.count { shown.append("and \(names.count - shown.count) more") }
    var chips: [Chip] = []
    var (left, top) = (x, y)
    for name in shown {
      let width = Self.chipWidth(name)
      if left > x, left + width > x + chipsWidth {
        left = x
        top += Self.chipHeight + Self.chipGap
      }
      chips.append(Chip(text: name, frame: Frame(x: left, y: top, width: width, height: Self.chipHeight)))
      left += width + Self.chipGap
    }
    return (chips, top + Self.chipHeight)
  }

  private static func chipWidth(_ name: String) -> Double { Double(name.count) * monospace + 16 }

  private mutating func placeOffices(_ picture: NetworkPicture, x: Double, width: Double) {
    var y = Self.heading + Self.margin
    for shape in picture.offices {
      let begin = y + Self.cardHeading
      let rows = shape.ways.enumerated().map { index, way in
        LinkRow(
          site: way.site, middle: begin + Self.rowHeight * (Double(index) + 0.5), columns: way.link?.columns ?? [])
      }
      let lines = Double(rows.count + (shape.further > 0 ? 1 : 0))
      let height = Self.cardHeading + lines * Self.rowHeight + 10
      offices.append(
        OfficeCard(shape: shape, frame: Frame(x: x, y: y, width: width, height: height), rows: rows))
      y += height + Self.cardGap * 0.8
    }
  }

  /// The shorter column stands at the middle of the longer one, its cards further apart.
  private mutating func centre() {
    guard let lastOffice = offices.last, let lastSite = sites.last else { return }
    let difference = lastSite.frame.bottom - lastOffice.frame.bottom
    if difference > 0 {
      let step = difference / Double(offices.count + 1)
      for index in offices.indices { moveOffice(index, by: step * Double(index + 1)) }
    } else {
      let step = -difference / Double(sites.count + 1)
      for index in sites.indices { moveSite(index, by: step * Double(index + 1)) }
    }
  }

  private mutating func moveOffice(_ index: Int, by distance: Double) {
    offices[index].frame.y += distance
    for row in offices[index].rows.indices { offices[index].rows[row].middle += distance }
  }

  private mutating func moveSite(_ index: Int, by distance: Double) {
    sites[index].frame.y += distance
    for row in sites[index].rows.indices { sites[index].rows[row].middle += distance }
    for tier in sites[index].tiers.indices {
      sites[index].tiers[tier].baseline += distance
      for chip in sites[index].tiers[tier].chips.indices { sites[index].tiers[tier].chips[chip].frame.y += distance }
    }
  }

  // MARK: Lines

  private mutating func connect(_ picture: NetworkPicture) {
    var ends = Array(repeating: [(office: Int, row: Int)](), count: sites.count)
    for (office, card) in offices.enumerated() {
      for (row, way) in card.shape.ways.enumerated() { ends[way.site].append((office, row)) }
    }
    for (site, list) in ends.enumerated() {
      let frame = sites[site].frame
      let space = frame.height - 24
      for (position, end) in list.enumerated() {
        let card = offices[end.office]
        let way = card.shape.ways[end.row]
        let y = frame.y + 12 + space * (Double(position) + 0.5) / Double(list.count)
        let facts = way.link?.facts ?? []
        curves.append(
          Curve(
            from: (card.frame.right, card.rows[end.row].middle), to: (frame.x, y), site: site, rank: way.rank,
            title: "\(card.shape.office.name) to \(sites[site].site.name)"
              + (facts.isEmpty ? "" : ": " + facts.joined(separator: ", "))))
      }
    }
    for link in picture.siteLinks {
      guard let top = sites[link.first].rows.first(where: { $0.site == link.second }),
        let bottom = sites[link.second].rows.first(where: { $0.site == link.first })
      else { continue }
      arcs.append(
        Arc(
          x: sites[link.first].frame.right, top: top.middle, bottom: bottom.middle,
          reach: 34 + 20 * Double(link.second - link.first),
          title: "\(sites[link.first].site.name) to \(sites[link.second].site.name): "
            + link.link.facts.joined(separator: ", ")))
    }
  }
}
