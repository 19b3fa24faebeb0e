//! multistream-select 1.0: which protocol a stream speaks.
