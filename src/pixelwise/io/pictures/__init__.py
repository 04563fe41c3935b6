"""What picture files hold: headers, samples as viewers show them, depth, pages, and what is no data."""
