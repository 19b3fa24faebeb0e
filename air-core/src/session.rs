//! A live session: one script and its particle, kept between steps.
