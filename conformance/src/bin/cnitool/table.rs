//! A table of text.

/// The rows with the cells of a column below each other, three blanks between columns.
pub fn render<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let header = header.map(str::to_owned);
    let lines: Vec<_> = std::iter::once(&header).chain(rows).collect();
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut table = String::new();
    for line in lines {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        table.push_str(cells.join("   ").trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".into(), "bcd".into()], ["efghij".into(), String::new()]];
        assert_eq!(render(["ONE", "TWO"], &rows), "ONE      TWO\na        bcd\nefghij\n");
    }

    #[test]
    fn table_without_rows_is_its_header() {
        assert_eq!(render(["ONE", "TWO"], &[]), "ONE   TWO\n");
    }
}
